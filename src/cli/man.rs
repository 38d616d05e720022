//! `sluicegate man`.

use std::{fs, io, path::Path};

use clap::CommandFactory;
use clap_mangen::Man;

use super::{
    DONE, FAILED, UNUSABLE,
    args::{Arguments, ManArguments},
    run::print,
};

const MANUAL: &str = "sluicegate";

/// What the command line's own descriptions do not hold, at the end of the first page and of that of `serve`.
const RUNNING: &str = r#".SH SIGNALS
.TP
.B SIGTERM
Stop: no new sockets, those that are open are closed with 1012, spread over
.IR "[server] drain_seconds" ,
then exit 0. A second one ends it at once.
.TP
.B SIGINT
The same, without spreading.
.TP
.B SIGHUP
Read all settings again; keys, pools and routes are swapped if the new settings are good, and stay if they are not.
.SH ENVIRONMENT
.TP
.B SLUICEGATE_BIND
Any flag, as
.BI SLUICEGATE_ FLAG\fR.
.TP
.B SLUICEGATE__SIMPLE_JWT__LEEWAY
Any setting of the file, as
.BI SLUICEGATE__ SECTION __ NAME\fR.
.TP
.B RUST_LOG
What is logged, to standard error: by default
.BR info .
.SH FILES
.TP
.I sluicegate.toml
sluicegate's own settings, in the current folder, or as
.B \-\-config
says.
"#;

const EXIT_STATUS: &str = r".SH EXIT STATUS
.TP
.B 0
Done.
.TP
.B 1
The check or command failed.
.TP
.B 2
The arguments or settings cannot be used.
";

pub(super) fn run(arguments: &ManArguments) -> u8 {
    let pages = match pages() {
        Ok(pages) => pages,
        Err(error) => return failed(&error),
    };
    if let Some(folder) = &arguments.dir {
        return match write(&pages, folder) {
            Ok(()) => DONE,
            Err(error) => failed(&error),
        };
    }
    let name =
        arguments.command.as_ref().map_or_else(|| "sluicegate.1".to_owned(), |name| format!("sluicegate-{name}.1"));
    if let Some(page) = pages.iter().find(|page| page.file == name) {
        print(&page.text)
    } else {
        eprintln!("sluicegate: there is no such command; `sluicegate help` lists them");
        UNUSABLE
    }
}

fn failed(error: &io::Error) -> u8 {
    eprintln!("sluicegate: {error}");
    FAILED
}

fn write(pages: &[Page], folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    pages.iter().try_for_each(|page| fs::write(folder.join(&page.file), &page.text))
}

struct Page {
    file: String,
    text: Vec<u8>,
}

/// `sluicegate.1`, and one for each command.
fn pages() -> io::Result<Vec<Page>> {
    let mut whole = Arguments::command().disable_help_subcommand(true);
    whole.build();
    let mut pages = vec![page(whole.clone(), true)?];
    for command in whole.get_subcommands().filter(|command| !command.is_hide_set()) {
        pages.push(page(command.clone(), command.get_name() == "serve")?);
    }
    Ok(pages)
}

fn page(command: clap::Command, runs: bool) -> io::Result<Page> {
    let man = Man::new(command).manual(MANUAL);
    let file = man.get_filename();
    let mut text = Vec::new();
    man.render(&mut text)?;
    if runs {
        text.extend_from_slice(RUNNING.as_bytes());
    }
    text.extend_from_slice(EXIT_STATUS.as_bytes());
    Ok(Page { file, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Vec<(String, String)> {
        let pages = pages().unwrap();
        pages.into_iter().map(|page| (page.file, String::from_utf8(page.text).unwrap())).collect()
    }

    #[test]
    fn there_is_a_page_for_each_command() {
        let pages = texts();
        let (first, text) = &pages[0];
        assert_eq!(first, "sluicegate.1");
        for command in Arguments::command().get_subcommands() {
            let file = format!("sluicegate-{}.1", command.get_name());
            assert!(pages.iter().any(|(name, _)| *name == file), "{file}");
            assert!(text.contains(&format!("sluicegate\\-{}(1)", command.get_name().replace('-', "\\-"))), "{text}");
        }
    }

    #[test]
    fn a_page_tells_flags_signals_and_exit_codes() {
        let pages = texts();
        let (_, serve) = pages.iter().find(|(name, _)| name == "sluicegate-serve.1").unwrap();
        for told in ["\\-\\-django\\-json", "SIGTERM", "SLUICEGATE_BIND", ".SH EXIT STATUS"] {
            assert!(serve.contains(told), "{told}: {serve}");
        }
    }
}
