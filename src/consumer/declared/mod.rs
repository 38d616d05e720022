//! A consumer of a few lines of TOML: which groups it is in, and what frames and events lead to.
//!
//! What a project writes as an `AsyncJsonWebsocketConsumer` (channels 4.3, generic/websocket.py) is declared here: `groups`
//! are joined at `connect`, `receive` is a list of rules, and a method that handles an event is an entry of `events`. Where
//! such a consumer raises an exception, and its socket ends, a declared one counts and logs it, and the socket lives, unless
//! `on_error = "close"`.

mod action;
mod asked;
mod compiler;
mod consumer;
mod events;
mod failure;
mod given;
mod names;
mod now;
mod output;
mod place;
#[cfg(any(test, feature = "internals"))]
mod promises;
mod rule;
mod template;
#[cfg(test)]
mod tests;
mod values;

use std::{collections::BTreeSet, sync::Arc, time::SystemTime};

use super::{Application, Connection, Consumer, DeclaredOptions, DeclaredReceive, OnError};
use crate::{
    channel_layer::{COMMAND_GROUP, is_valid_group_name},
    python::Value,
    reason::Reason,
};
use action::Action;
use compiler::Compiler;
pub(crate) use compiler::Table;
use consumer::DeclaredConsumer;
use events::Events;
use failure::Failures;
use given::{Cause, Given};
use place::Place;
use rule::Rule;
use template::{Template, Templates};

/// Containers within one another that a frame or an event may have. Python reads more (some 900), but templates recurse.
const MAX_DEPTH: usize = 128;

/// A declared route, compiled. Every socket of the route shares it.
#[derive(Debug)]
pub(crate) struct Declared {
    /// The names of the route's captures, in their order.
    captures: Vec<String>,
    groups: Vec<Template>,
    on_connect: Option<Action>,
    rules: Vec<Rule>,
    /// Whether any rule looks into the JSON of frames.
    reads_content: bool,
    events: Events,
    on_disconnect: Option<Action>,
    on_error: OnError,
    has_ask: bool,
    templates: Templates,
    /// What the templates read of what is known.
    reads: BTreeSet<String>,
    failures: Failures,
}

/// Compiles a declared route, `route`, whose groups are called `captures`, and checks their names.
///
/// # Errors
///
/// A sentence for each text that is no template, each name that a template cannot know, and what else cannot be.
pub(crate) fn compile(route: &str, captures: &[String], options: &DeclaredOptions) -> Result<Declared, Vec<String>> {
    try_compile(route, captures, options)
        .map_err(|problems| problems.into_iter().map(|(_, sentence)| sentence).collect())
}

/// What [`compile`] would say, each sentence with the table that it is about.
pub(crate) fn problems(route: &str, captures: &[String], options: &DeclaredOptions) -> Vec<(Table, String)> {
    try_compile(route, captures, options).err().unwrap_or_default()
}

fn try_compile(route: &str, captures: &[String], options: &DeclaredOptions) -> Result<Declared, Vec<(Table, String)>> {
    let has_ask = options.ask.is_some();
    let mut compiler =
        Compiler { table: Table::Groups, templates: Templates::new(), captures, has_ask, problems: Vec::new() };
    let groups: Vec<_> = options.groups.iter().map(|group| compiler.name(group, Place::Groups)).collect();
    compiler.table = Table::Connect;
    let on_connect = options.on_connect.as_ref().map(|action| Action::compile(action, Place::Connect, &mut compiler));
    let rule = |(index, rule): (usize, &DeclaredReceive)| {
        compiler.table = Table::Receive(index);
        Rule::compile(rule, &mut compiler)
    };
    let rules: Vec<_> = options.receive.iter().enumerate().map(rule).collect();
    let events = Events::compile(&options.events, &mut compiler);
    compiler.table = Table::Disconnect;
    let on_disconnect =
        options.on_disconnect.as_ref().map(|action| Action::compile(action, Place::Disconnect, &mut compiler));
    if options.on_disconnect.as_ref().is_some_and(|action| action.reply.is_some() || action.close.is_some()) {
        compiler.problem("on_disconnect cannot reply or close: the client is gone");
    }
    let Compiler { templates, problems, .. } = compiler;
    if !problems.is_empty() {
        return Err(problems);
    }
    let actions = on_connect.iter().chain(&on_disconnect).chain(rules.iter().map(|rule| &rule.action));
    let reads = groups.iter().flat_map(|group| &group.reads).chain(actions.flat_map(|action| &action.reads));
    let reads = reads.chain(events.reads()).cloned().collect();
    Ok(Declared {
        captures: captures.to_vec(),
        groups,
        on_connect,
        reads_content: rules.iter().any(Rule::reads_content),
        rules,
        events,
        on_disconnect,
        on_error: options.on_error,
        has_ask,
        templates,
        reads,
        failures: Failures::new(route),
    })
}

impl Declared {
    /// The group that a template names, if Channels takes its name, and no group of ours has it.
    fn group(&self, group: &Template, given: &Given<'_>) -> Result<String, Reason> {
        let name = self.templates.render_text(group, &given.context(&group.reads)).ok();
        name.filter(|name| is_valid_group_name(name) && name != COMMAND_GROUP).ok_or(Reason::GroupInvalid)
    }
}

impl Application for Declared {
    fn consumer(self: Arc<Self>) -> Box<dyn Consumer> {
        Box::new(DeclaredConsumer { declared: self, view: None })
    }

    fn reads(&self, name: &str) -> bool {
        self.reads.contains(name)
    }

    fn has_channels(&self) -> bool {
        !self.groups.is_empty() || !self.events.is_empty() || self.has_ask || self.reads.contains("channel_name")
    }

    fn groups(&self, connection: &Connection) -> Vec<Result<String, Reason>> {
        let known = self.groups.iter().filter(|group| !(self.has_ask && group.reads.contains("context")));
        known.map(|group| self.group(group, &self.here(connection, Cause::Connect))).collect()
    }

    /// The names of groups that need nothing but the path.
    fn check(&self, captures: &[Option<Value>]) -> Result<(), Reason> {
        let (names, now) = (self.captures.as_slice(), SystemTime::UNIX_EPOCH);
        let given = Given { names, captures, connection: None, cause: Cause::Connect, now };
        let mut of_path = self.groups.iter().filter(|group| place::is_of_path(&group.reads, names));
        of_path.try_for_each(|group| self.group(group, &given).map(drop))
    }
}
