//! Settings, from every place that they come from.

use super::halves;
use crate::{
    settings::{
        Sources, render,
        report::{ConfigFile, Report},
        starter,
    },
    websocket::Route,
};

/// `data` as `sluicegate.toml`, the JSON document of Django's side, and variables (`NAME=value`, one a line), each
/// ended by a byte 0; what is empty is not there.
///
/// # Panics
///
/// Where what `sluicegate settings` prints is no TOML, and where settings are good that cannot run.
pub fn settings(data: &[u8]) {
    let (toml, rest) = halves(data, 0);
    let (document, variables) = halves(rest, 0);
    let variables = String::from_utf8_lossy(variables);
    let variables = variables.lines().filter_map(|line| line.split_once('='));
    let sources = Sources {
        environment: variables.map(|(name, value)| (name.into(), value.into())).collect(),
        ..Sources::default()
    };
    let text = std::str::from_utf8(toml).unwrap_or_default();
    let config =
        ConfigFile { shown: "sluicegate.toml".to_owned(), text: Ok((!text.is_empty()).then(|| text.to_owned())) };
    let document = (!document.is_empty()).then(|| document.to_vec());
    let report = Report::of(&sources, Ok(document), config);

    let shown = render(&report);
    if let Err(error) = toml::from_str::<toml::Table>(&shown) {
        panic!("{error}\n{shown}");
    }
    let starting_point = starter(&report);
    if let Err(error) = toml::from_str::<toml::Table>(&starting_point) {
        panic!("{error}\n{starting_point}");
    }
    if let Some(settings) = report.settings.filter(|_| report.problems.is_empty()) {
        assert!(settings.routes.iter().all(|route| Route::compile(&route.matched()).is_ok()), "a route cannot run");
    }
}
