//! `[route.events."..."]`: what an event of the channel layer is to the sockets of the route.
//!
//! What is the same for all of them is made once, by whichever comes first: the handler is found, `except` filled in and
//! the message encoded.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

use minijinja::value::Value as Jinja;

use super::{
    Declared, MAX_DEPTH,
    action::send,
    compiler::{Compiler, Table},
    failure::{Failure, TypeName},
    given::{Cause, Given},
    output::Output,
    place::{self, Place},
    template::Template,
    values::{self, NotAValue},
};
use crate::{
    channel_layer::{Message, is_valid_event_type},
    consumer::{Close, Connection, DeclaredEvent, SharedFrame},
};

/// The events of one route.
#[derive(Debug)]
pub(super) struct Events {
    rules: Vec<EventRule>,
    by_handler: HashMap<String, usize>,
    /// Under which a message keeps what is the same for all sockets of the route.
    key: u64,
}

#[derive(Debug)]
struct EventRule {
    except: Option<Made<Template>>,
    send: Option<Made<Output>>,
    close: Option<Close>,
}

/// How often a template is filled in.
#[derive(Debug)]
enum Made<T> {
    /// Once for all sockets.
    Once(T),
    /// For each.
    Each(T),
}

/// What is the same for all sockets of the route.
pub(super) struct Prepared {
    rule: usize,
    event: Jinja,
    /// Whom `except` names, if it is the same for all.
    except: Option<String>,
    /// The message, if it is the same for all.
    pub(super) frame: Option<SharedFrame>,
}

/// Already counted and logged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed;

/// Matches channels 4.3, consumer.py, `get_handler_name`.
///
/// # Errors
///
/// Where it raises.
fn handler_name(event_type: &str) -> Result<String, Failure> {
    let name = event_type.replace('.', "_");
    if name.starts_with('_') { Err(Failure::MalformedType) } else { Ok(name) }
}

impl<T> Made<T> {
    fn new(template: T, is_shared: bool) -> Self {
        if is_shared { Self::Once(template) } else { Self::Each(template) }
    }

    const fn template(&self) -> &T {
        let (Self::Once(template) | Self::Each(template)) = self;
        template
    }
}

impl Events {
    pub(super) fn compile(events: &[DeclaredEvent], compiler: &mut Compiler<'_>) -> Self {
        static KEYS: AtomicU64 = AtomicU64::new(0);

        let mut by_handler = HashMap::new();
        let mut rules = Vec::new();
        for event in events {
            let name = &event.event_type;
            compiler.table = Table::Event(name.clone());
            match handler_name(name) {
                Ok(handler) if is_valid_event_type(name) => {
                    if by_handler.insert(handler, rules.len()).is_some() {
                        compiler.problem(format!("events {name:?} is there twice: `.` and `_` of a type are one to Channels"));
                    }
                }
                _ => compiler.problem(format!(
                    "events {name:?} would never come: Channels refuses types that are empty or begin with an underscore"
                )),
            }
            rules.push(EventRule::compile(event, compiler));
        }
        Self { rules, by_handler, key: KEYS.fetch_add(1, Ordering::Relaxed) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// All names that its templates read.
    pub(super) fn reads(&self) -> impl Iterator<Item = &String> {
        let excepts = self.rules.iter().filter_map(|rule| Some(&rule.except.as_ref()?.template().reads));
        let sends = self.rules.iter().filter_map(|rule| Some(rule.send.as_ref()?.template().reads()));
        excepts.chain(sends).flatten()
    }

    fn find(&self, message: &Message) -> Result<usize, Failure> {
        let event_type = message.event_type().ok_or(Failure::NoType)?;
        let handler = handler_name(event_type)?;
        self.by_handler.get(&handler).copied().ok_or_else(|| Failure::NoHandler(TypeName::new(event_type)))
    }
}

impl EventRule {
    fn compile(event: &DeclaredEvent, compiler: &mut Compiler<'_>) -> Self {
        let captures = compiler.captures;
        let except = event.except.as_ref().map(|except| {
            let except = compiler.json(&serde_json::Value::from(except.as_str()), Place::Event);
            let is_shared = place::is_shared(&except.reads, captures);
            Made::new(except, is_shared)
        });
        let send = event.send.as_ref().map(|send| {
            let send = Output::compile(send, Place::Event, compiler);
            let is_shared = place::is_shared(send.reads(), captures);
            Made::new(send, is_shared)
        });
        Self { except, send, close: compiler.close(event.close.as_ref()) }
    }
}

impl Declared {
    /// Hands an event to one socket.
    ///
    /// # Errors
    ///
    /// It cannot be handled.
    pub(super) fn handle_event(&self, message: &Message, connection: &Connection) -> Result<(), Failed> {
        let prepared = message.shared(self.events.key, || self.prepare(message));
        let prepared = prepared.as_ref().as_ref().map_err(|failed| *failed)?;
        let rule = self.events.rules.get(prepared.rule).ok_or(Failed)?;
        self.deliver(rule, prepared, connection).map_err(|failure| self.failed(&failure))
    }

    /// What is the same for all sockets of the route. What goes wrong here counts once.
    pub(super) fn prepare(&self, message: &Message) -> Result<Prepared, Failed> {
        self.try_prepare(message).map_err(|failure| self.failed(&failure))
    }

    fn try_prepare(&self, message: &Message) -> Result<Prepared, Failure> {
        let index = self.events.find(message)?;
        let mut prepared = Prepared { rule: index, event: Jinja::UNDEFINED, except: None, frame: None };
        let Some(rule) = self.events.rules.get(index).filter(|rule| rule.except.is_some() || rule.send.is_some())
        else {
            return Ok(prepared);
        };
        if values::is_deeper(message.value(), MAX_DEPTH) {
            return Err(Failure::TooDeep);
        }
        prepared.event = values::from_event(message.value());
        let given = self.given(&prepared.event, None);
        if let Some(Made::Once(except)) = &rule.except {
            prepared.except = self.excepted(except, &given)?;
        }
        if let Some(Made::Once(send)) = &rule.send {
            let frame = send.render(&self.templates, &given.context(send.reads()))?;
            prepared.frame = Some(SharedFrame::new(frame));
        }
        Ok(prepared)
    }

    fn deliver(&self, rule: &EventRule, prepared: &Prepared, connection: &Connection) -> Result<(), Failure> {
        let given = || self.given(&prepared.event, Some(connection));
        let excepted = match &rule.except {
            Some(Made::Each(except)) => &self.excepted(except, &given())?,
            Some(Made::Once(_)) | None => &prepared.except,
        };
        if excepted.as_deref().is_some_and(|name| connection.is_called(name)) {
            return Ok(());
        }
        match (&rule.send, &prepared.frame) {
            (_, Some(frame)) => connection.send_shared(frame),
            (Some(output), None) => {
                let output = output.template();
                send(connection, &output.render(&self.templates, &given().context(output.reads()))?);
            }
            (None, None) => {}
        }
        if let Some(close) = &rule.close {
            connection.close(close.clone());
        }
        Ok(())
    }

    /// Whom `except` names; nobody where it comes out as `None`.
    fn excepted(&self, except: &Template, given: &Given<'_>) -> Result<Option<String>, Failure> {
        let value = self.templates.render(except, &given.context(&except.reads))?;
        match values::as_text(&value) {
            None if !value.is_none() => Err(NotAValue::Unwritable("a channel name that is no text").into()),
            name => Ok(name.map(str::to_owned)),
        }
    }

    fn given<'a>(&'a self, event: &'a Jinja, connection: Option<&'a Connection>) -> Given<'a> {
        Given {
            names: &self.captures,
            captures: connection.map_or(&[], |connection| &connection.state.captures),
            connection,
            cause: Cause::Event(event),
            now: SystemTime::now(),
        }
    }

    pub(super) fn failed(&self, failure: &Failure) -> Failed {
        self.failures.add(failure);
        Failed
    }
}
