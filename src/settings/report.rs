//! All layers read and checked, good or not.

use std::{fs, io::ErrorKind, mem};

use serde_json::Value;

use super::{
    Admission, Settings, TicketViewState, admin, cache, channel_layer, database,
    django::{Asgi, AsgiRoute, Django, document_text},
    environment, http,
    issue::Blockers,
    key::Key,
    layer::Layers,
    origin::Origin,
    problem::{Code, Problem, Problems},
    route_ask,
    route_proxy::{self, Surroundings},
    routes, server, simple_jwt,
    sources::Sources,
    ticket_view, toml_file, upstream, user,
    values::Values,
    websocket::{self, Sockets},
};
use crate::{
    consumer::{RouteKind, RouteOptions},
    http::TicketView,
    upstream::RouteAuth,
};

/// What was read, for `settings` and `check`, which show it even where it is not good to start with.
#[derive(Debug)]
pub(crate) struct Report {
    /// Absent where a problem left nothing to run with.
    pub(crate) settings: Option<Settings>,
    pub(crate) problems: Problems,
    pub(crate) ticket_view: TicketViewState,
    /// Sentences for the log at start.
    pub(crate) notes: Vec<String>,
    /// Every setting that has a value, with its origin.
    pub(super) effective: Vec<(&'static Key, Value, Origin)>,
    /// The `[[route]]` tables, as written.
    pub(super) routes: Vec<Value>,
    /// The consumers that were found in the project's ASGI application.
    pub(super) found: Vec<AsgiRoute>,
}

const NOTHING_TO_SERVE: &str = "there is no [[route]] and no [upstream], and the ticket view is not served";
const MEND_NOTHING_TO_SERVE: &str = "[upstream]\nurl = \"http://127.0.0.1:8000\"        # the Django that runs already";

impl Report {
    /// Reads every layer; never fails, but reports.
    pub(crate) fn read(sources: &Sources) -> Self {
        Self::of(sources, document_text(sources), ConfigFile::open(sources))
    }

    /// As [`Report::read`], with the texts that `sources` name.
    pub(crate) fn of(sources: &Sources, document: Result<Option<Vec<u8>>, Problem>, config: ConfigFile) -> Self {
        let mut layers = Layers::default();
        let django = Django::of(document, &mut layers);
        let unreadable = !layers.problems.is_empty();
        let (file, tables) = config.read(&mut layers);
        environment::read(sources, &mut layers);
        environment::read_flags(sources, &mut layers);
        let upstream = upstream::read(&mut layers);
        let asgi = django.item::<Asgi>("asgi");
        let found = asgi.as_ref().ok().and_then(Option::as_ref).map(|asgi| asgi.routes.clone()).unwrap_or_default();
        let around = Surroundings { upstream: &upstream, found: &found };
        let mut routes: Vec<_> = sources.routes.iter().map(|route| (route.clone(), Origin::Default)).collect();
        routes.append(&mut routes::read(&file, &tables, &around, &mut layers));
        let mut report = Self {
            settings: None,
            problems: Problems::default(),
            ticket_view: TicketViewState::LeftToDjango(Vec::new()),
            notes: Vec::new(),
            effective: Vec::new(),
            routes: tables.iter().map(toml_file::Node::to_json).collect(),
            found: Vec::new(),
        };
        report.notes = match &asgi {
            Ok(Some(asgi)) => not_run(asgi, upstream.is_stated),
            _ if !upstream.is_stated => Vec::new(),
            Ok(None) if django.present => vec![format!("no ASGI application was named, {ALL_UNTOUCHED}")],
            Ok(None) => vec![format!("the project's ASGI application is not known, {ALL_UNTOUCHED}")],
            Err(problem) => vec![format!("{}, {ALL_UNTOUCHED}", problem.sentence)],
        };
        // Without the project's own word everything else would seem to be missing, too.
        if !unreadable && !nothing_was_said(&django, &mut layers) {
            let sockets = match () {
                () if !sources.routes.is_empty() => Sockets::Here,
                () if tables.iter().any(|table| !route_proxy::is_proxied(table)) => Sockets::Here,
                () if upstream.is_stated || !tables.is_empty() => Sockets::Django,
                () => Sockets::None,
            };
            report.fill(&mut layers, &django, routes, &around, sockets);
        }
        report.found = found;
        report.effective = layers.values.effective();
        report.problems = layers.problems;
        report.notes.append(&mut layers.notes);
        report
    }

    /// Whether `DEBUG` is on.
    pub(crate) fn is_debug(&self) -> bool {
        self.effective.iter().any(|(key, value, _)| key.path == "debug" && *value == Value::Bool(true))
    }

    /// Whether somebody has said `ALLOWED_HOSTS`, be it the empty list.
    pub(crate) fn knows_hosts(&self) -> bool {
        self.effective.iter().any(|(key, _, origin)| key.path == "allowed_hosts" && *origin != Origin::Default)
    }

    fn fill(
        &mut self,
        layers: &mut Layers,
        django: &Django,
        routes: Vec<(RouteOptions, Origin)>,
        around: &Surroundings<'_>,
        sockets: Sockets,
    ) {
        let needs_layer =
            routes.iter().find(|(route, _)| route.kind.needs_channel_layer()).map(|(_, origin)| origin.clone());
        let asks = routes.iter().find(|(route, _)| route.kind.asks()).map(|(_, origin)| origin.clone());
        let ask = route_ask::settings(layers, asks.as_ref());
        let mut routes: Vec<_> = routes.into_iter().map(|(route, _)| route).collect();
        if around.upstream.is_stated {
            let found = route_proxy::of_django(around, &routes, layers);
            routes.extend(found);
        }
        let mut needs = Needs {
            stated: !around.upstream.is_stated || routes.iter().any(|route| admits(&route.kind)),
            blockers: Blockers::default(),
        };
        let database = needs.read(layers, |layers, _| database::read(layers, django));
        let access_token = simple_jwt::read(layers, django, &mut needs.blockers);
        let user = needs.read(layers, |layers, blockers| user::read(layers, django, database.as_ref(), blockers));
        let mut http = http::read(layers, django, &mut needs.blockers);
        let views = ticket_view::read(layers, django, &access_token, &mut needs.blockers);
        // Whether the view is served decides what cache will do, which in turn may keep it from being served.
        let may_serve = needs.blockers.is_empty() && !views.is_empty() && !is_turned_off(&layers.values);
        let mut cache = None;
        if needs.stated || may_serve {
            let tickets = cache::Surroundings {
                issues: may_serve,
                passes_on: around.upstream.is_stated,
                debug: layers.values.boolean("debug", false),
                database: database.as_ref(),
            };
            cache = needs.read(layers, |layers, _| cache::read(layers, django, &tickets));
        }
        let is_needed = needs.stated;
        (http.views, self.ticket_view) = serve(layers, views, needs.blockers);
        let channel_layer = channel_layer::read(layers, django, needs_layer.as_ref());
        let websocket = websocket::read(layers, django, sockets);
        let server = server::read(layers);
        let admin = admin::read(layers);
        let commands = layers.values.boolean("channel_layer.commands", true);
        if let Some(upstream) = &around.upstream.options {
            let origin = layers.values.origin("upstream.url").clone();
            upstream::check_loop(&server.bind, &upstream.servers, &origin, layers);
        }
        if sockets == Sockets::None {
            if http.views.is_empty() {
                let problem = Problem::new(Code::NothingToServe, NOTHING_TO_SERVE);
                layers.problems.push(problem.mend(MEND_NOTHING_TO_SERVE));
            } else {
                layers
                    .notes
                    .push("there is no [[route]]: tickets are issued, but no socket is admitted here".to_owned());
            }
        }
        let upstream = around.upstream.options.clone();
        let is_used = is_needed || !http.views.is_empty();
        let admission = match (database, user, cache) {
            (Some(database), Some(user), Some(cache)) if is_used => Some(Admission { user, database, cache }),
            _ if is_used => return,
            _ => None,
        };
        self.settings = Some(Settings {
            server,
            admin,
            access_token,
            admission,
            http,
            websocket,
            channel_layer,
            commands,
            ask,
            upstream,
            routes,
        });
    }
}

/// Whether sockets of such a route are admitted here, by ticket.
fn admits(kind: &RouteKind) -> bool {
    match kind {
        RouteKind::Rust(_) | RouteKind::Declared(_) => true,
        RouteKind::Proxy(proxy) => proxy.auth == RouteAuth::Ticket,
    }
}

/// What users, database and cache are needed for.
struct Needs {
    /// A route admits sockets here, or there is no Django behind that would: without these parts there is no start.
    stated: bool,
    /// Otherwise the ticket view alone needs them, and is left to Django without them.
    blockers: Blockers,
}

impl Needs {
    fn read<T>(&mut self, layers: &mut Layers, read: impl FnOnce(&mut Layers, &mut Blockers) -> T) -> T {
        if self.stated {
            return read(layers, &mut self.blockers);
        }
        let others = mem::take(&mut layers.problems);
        let value = read(layers, &mut self.blockers);
        for problem in mem::replace(&mut layers.problems, others).iter() {
            self.blockers.add_or_report(problem.clone(), layers);
        }
        value
    }
}

/// Without the routes of the ASGI application.
const ALL_UNTOUCHED: &str = "so all its sockets are passed on untouched, and no ticket of theirs is redeemed here";

/// What the project's ASGI application does by Python of its own, which nothing here runs.
fn not_run(asgi: &Asgi, is_passed_on: bool) -> Vec<String> {
    let replaced = asgi.routes.iter().filter(|_| !is_passed_on).flat_map(|route| &route.overridden);
    let mut sentences: Vec<String> = asgi.unsupported.clone();
    sentences.extend(replaced.map(|method| format!("the project's own {method} is not run here")));
    sentences.sort();
    sentences.dedup();
    sentences
}

fn is_turned_off(values: &Values) -> bool {
    values.given("ticket.serve").is_some_and(|(value, _)| *value == Value::Bool(false))
}

/// `[ticket] serve`: the views that are served, and what is said about it.
fn serve(layers: &mut Layers, views: Vec<TicketView>, blockers: Blockers) -> (Vec<TicketView>, TicketViewState) {
    let asked = layers.values.given("ticket.serve").map_or_else(|| "auto".into(), |(value, _)| value.clone());
    layers.values.note_default("ticket.serve", "auto".into());
    match asked {
        Value::Bool(false) => (Vec::new(), TicketViewState::TurnedOff),
        _ if blockers.is_empty() && !views.is_empty() => (views, TicketViewState::Served),
        Value::Bool(true) => {
            let sentences = blockers.sentences();
            layers.problems.extend(blockers.into_problems());
            (Vec::new(), TicketViewState::LeftToDjango(sentences))
        }
        _ => (Vec::new(), TicketViewState::LeftToDjango(blockers.sentences())),
    }
}

/// `sluicegate.toml`, where it exists.
pub(crate) struct ConfigFile {
    /// The path, as messages show it.
    pub(crate) shown: String,
    pub(crate) text: Result<Option<String>, Problem>,
}

impl ConfigFile {
    fn open(sources: &Sources) -> Self {
        let (path, named) = sources.config_file();
        let shown = path.display().to_string();
        let text = match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound && !named => Ok(None),
            Err(error) => {
                let origin = if sources.config.is_some() {
                    Origin::Flag("--config")
                } else {
                    Origin::Variable("SLUICEGATE_CONFIG".to_owned())
                };
                let sentence = format!("{shown} cannot be read: {error}");
                let problem = Problem::new(Code::UnreadableFile, sentence);
                Err(if named { problem.at(&origin) } else { problem })
            }
        };
        Self { shown, text }
    }

    /// The file's routes; its other values go to the layers.
    fn read(self, layers: &mut Layers) -> (String, Vec<toml_file::Node>) {
        let tables = match self.text {
            Ok(text) => text.map(|text| toml_file::read(&self.shown, &text, layers)).unwrap_or_default(),
            Err(problem) => {
                layers.problems.push(problem);
                Vec::new()
            }
        };
        (self.shown, tables)
    }
}

/// Whether nobody said anything about the project: then one sentence serves better than a list of what is missing.
fn nothing_was_said(django: &Django, layers: &mut Layers) -> bool {
    let said = |section: &str| {
        super::key::KEYS.iter().any(|key| key.section() == section && layers.values.is_stated(key.path))
    };
    let silent = !django.present && !["database", "cache", "simple_jwt", "user"].into_iter().any(said);
    if silent && layers.problems.is_empty() {
        let sentence = "neither a Django project nor settings of one were given";
        let mend = "sluicegate serve --django mysite.asgi:application --project-dir /srv/mysite\n\
                    or, without Python, [database] and [cache] in sluicegate.toml";
        layers.problems.push(Problem::new(Code::NothingToRead, sentence).mend(mend));
    }
    silent
}

#[cfg(test)]
impl Report {
    /// Takes a test's folder out of the places of problems.
    pub(super) fn at_home(&mut self, folder: &str) {
        let mut problems = Problems::default();
        for problem in self.problems.iter() {
            let mut problem = problem.clone();
            if let Some(Origin::File { path, .. }) = &mut problem.origin {
                *path = path.replace(folder, "");
            }
            problem.sentence = problem.sentence.replace(folder, "");
            problems.push(problem);
        }
        self.problems = problems;
        for (_, _, origin) in &mut self.effective {
            if let Origin::File { path, .. } = origin {
                *path = path.replace(folder, "");
            }
        }
    }
}
