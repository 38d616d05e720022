//! `sluicegate settings`.

use super::{DONE, args::SettingsArguments};
use crate::settings::SCRIPT;

pub(super) fn run(arguments: &SettingsArguments) -> u8 {
    if arguments.script {
        print!("{SCRIPT}");
    }
    DONE
}
