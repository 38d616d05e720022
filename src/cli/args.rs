//! What the command line takes. Help texts are for a Django developer.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

use super::check::Level;
use crate::settings::{Cancellation, DjangoTarget, Sources};

/// A WebSocket server for Django Channels projects: admits sockets by django-channels-jwt tickets.
#[derive(Debug, Parser)]
#[command(name = "sluicegate", version, propagate_version = true, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show it: embedded database, cache and users, and a page to try them on.
    Demo(DemoArguments),
    /// Serve the ticket view and the project's WebSocket routes.
    Serve(ServeArguments),
    /// Check settings, keys, database, cache, channel layer, clocks and limits, live: like `manage.py check --deploy`.
    ///
    /// Exit codes: 0 nothing is wrong, 1 something is (see --fail-level), 2 the settings cannot be used. docs/check.md
    /// has every finding by its code.
    Check(CheckArguments),
    /// Print what sluicegate would run with, and where each value came from; secrets are masked.
    Settings(SettingsArguments),
    /// Print a ticket for a user, for trying things with curl.
    Ticket(TicketArguments),
    /// Close all sockets of a user, on every sluicegate of the channel layer.
    Disconnect(DisconnectArguments),
    /// Say what would be decided about an access token, step by step, and why.
    ExplainToken(ExplainTokenArguments),
    /// Say what would be decided about a handshake, step by step, and why.
    ExplainHandshake(ExplainHandshakeArguments),
    /// Ask a running sluicegate whether it is ready: for a container's health check.
    Healthcheck(HealthcheckArguments),
    /// Print a script that completes sluicegate's commands and flags in a shell.
    Completions(CompletionsArguments),
    /// Print a manual page.
    Man(ManArguments),
}

/// A WebSocket server for Django Channels projects, with consumers of its own beside those of the settings.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(super) struct OwnRoutesArguments {
    #[command(flatten)]
    pub(super) serve: ServeArguments,
}

#[derive(Args, Debug)]
pub(super) struct DemoArguments {
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT", env = "SLUICEGATE_BIND", default_value = "127.0.0.1:8001")]
    pub(super) bind: String,
    /// Keep the demo's database in this folder; without it nothing is left behind.
    #[arg(long, value_name = "DIR", env = "SLUICEGATE_DATA_DIR")]
    pub(super) data_dir: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct ServeArguments {
    #[command(flatten)]
    pub(super) project: ProjectArguments,
    /// Log as JSON, a line an event.
    #[arg(long, env = "SLUICEGATE_LOG_JSON")]
    pub(super) log_json: bool,
}

#[derive(Args, Debug)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    pub(super) project: ProjectArguments,
    /// Also send the harmless requests to this running Django and to sluicegate, and print every difference.
    #[arg(long, value_name = "URL")]
    pub(super) compare: Option<String>,
    /// Print the findings as one JSON document (docs/check.md) in the place of text.
    #[arg(long)]
    pub(super) json: bool,
    /// The exit code is 1 from findings of this level on.
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = Level::Error)]
    pub(super) fail_level: Level,
}

#[derive(Args, Debug)]
pub(super) struct SettingsArguments {
    #[command(flatten)]
    pub(super) project: ProjectArguments,
    /// Print a starter file: each consumer that the project's ASGI application routes to.
    #[arg(long, conflicts_with = "script")]
    pub(super) routes: bool,
    /// Print the Python script that reads a Django project, to run it where Python is.
    #[arg(long)]
    pub(super) script: bool,
}

#[derive(Args, Debug)]
pub(super) struct TicketArguments {
    #[command(flatten)]
    pub(super) project: ProjectArguments,
    /// The user's name (`USERNAME_FIELD`), or `id=<primary key>`.
    #[arg(value_name = "USER")]
    pub(super) user: String,
}

#[derive(Args, Debug)]
pub(super) struct DisconnectArguments {
    #[command(flatten)]
    pub(super) project: ProjectArguments,
    /// The user's name (`USERNAME_FIELD`), or `id=<primary key>`. Users who were deleted can be named, too.
    #[arg(value_name = "USER")]
    pub(super) user: String,
}

#[derive(Args)]
pub(super) struct ExplainTokenArguments {
    #[command(flatten)]
    pub(super) project: ProjectArguments,
    /// The access token, or `-` to read it from standard input, so that it is not in the shell's history. It is not
    /// printed, and no ticket is stored.
    #[arg(value_name = "TOKEN")]
    pub(super) token: String,
}

#[derive(Args)]
pub(super) struct ExplainHandshakeArguments {
    #[command(flatten)]
    pub(super) project: ProjectArguments,
    /// Such as `ws://host/ws/chat/?uuid=...` or a path; `-` reads it from standard input, so that no ticket is in the
    /// shell's history. The query is not printed. Exit code 0 if it would be let in, 1 if not.
    #[arg(value_name = "URL")]
    pub(super) url: String,
    /// The handshake's Origin header.
    #[arg(long, value_name = "ORIGIN")]
    pub(super) origin: Option<String>,
    /// Another header, as `Name: value`; repeated for several.
    #[arg(long, value_name = "HEADER")]
    pub(super) header: Vec<String>,
    /// Use the ticket up, as a real handshake does; without it, it is looked at and stays.
    #[arg(long)]
    pub(super) redeem: bool,
}

impl std::fmt::Debug for ExplainTokenArguments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ExplainTokenArguments(***)")
    }
}

impl std::fmt::Debug for ExplainHandshakeArguments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ExplainHandshakeArguments(***)")
    }
}

#[derive(Args, Debug)]
pub(super) struct HealthcheckArguments {
    /// What to ask; an address of all interfaces stands for this machine's own [default: /readyz on the address that the
    /// environment's `SLUICEGATE_ADMIN_BIND` or `SLUICEGATE_BIND` names, else on 127.0.0.1:8001].
    #[arg(value_name = "URL", value_hint = ValueHint::Url)]
    pub(super) url: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct CompletionsArguments {
    #[arg(value_name = "SHELL")]
    pub(super) shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Shell {
    Bash,
    Fish,
    Zsh,
}

#[derive(Args, Debug)]
pub(super) struct ManArguments {
    /// The command whose page it is; without it the page of sluicegate itself.
    #[arg(value_name = "COMMAND")]
    pub(super) command: Option<String>,
    /// Write all pages to this folder.
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    pub(super) dir: Option<PathBuf>,
}

/// Where the settings come from; the environment's `SLUICEGATE_<FLAG>` says the same.
#[derive(Args, Debug)]
pub(super) struct ProjectArguments {
    /// The Django project: a settings module or ASGI application. Without a value: `DJANGO_SETTINGS_MODULE`, else
    /// manage.py's default.
    #[arg(long, value_name = "TARGET", num_args = 0..=1)]
    #[expect(clippy::option_option, reason = "clap's form of a flag with an optional value")]
    django: Option<Option<String>>,
    /// The project's settings as JSON, printed where Python runs by the script of `settings --script`.
    #[arg(long, value_name = "FILE", conflicts_with = "django")]
    django_json: Option<PathBuf>,
    /// The project's folder [default: the current folder].
    #[arg(long, value_name = "DIR")]
    project_dir: Option<PathBuf>,
    /// The project's Python [default: `VIRTUAL_ENV`, then .venv or venv in the project folder, then the environment that
    /// has sluicegate beside Django, then python3].
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// sluicegate's own settings [default: sluicegate.toml where it exists].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:8001].
    #[arg(long, value_name = "ADDR:PORT")]
    bind: Option<String>,
    /// The user table's database, such as `postgres://user:password@host/name`.
    #[arg(long, value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Django's cache, such as `redis://host:6379/0`.
    #[arg(long, value_name = "URL", hide_env_values = true)]
    cache_url: Option<String>,
    /// The channel layer's Redis, such as `redis://host:6379/0`.
    #[arg(long, value_name = "URL", hide_env_values = true)]
    channel_layer_url: Option<String>,
    /// The Django that runs already, such as `http://127.0.0.1:8000` or `unix:/run/gunicorn.sock`: gets everything that
    /// is not answered here. Several servers: repeated, or with commas.
    #[arg(long, value_name = "URL")]
    upstream: Vec<String>,
    /// Keep tickets in this process's own memory although DEBUG is off.
    #[arg(long)]
    allow_local: bool,
    /// A Unix socket: a process that is started with the same one takes over the listening socket from this one, which
    /// then drains, so that a deploy refuses nobody.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    handover: Option<String>,
    /// Serve TLS with this certificate chain (PEM).
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    tls_certificate: Option<String>,
    /// The certificate's key (PEM).
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    tls_key: Option<String>,
    /// Address and port for those who run it: metrics, health, and a page that shows what goes on [default: none].
    #[arg(long, value_name = "ADDR:PORT")]
    admin_bind: Option<String>,
}

impl ProjectArguments {
    /// The sources of the settings; the environment is read by the settings themselves.
    pub(super) fn sources(&self) -> Sources {
        Sources {
            django: self.django.clone().map(|target| target.map_or(DjangoTarget::Default, DjangoTarget::Named)),
            django_json: self.django_json.clone(),
            project_dir: self.project_dir.clone(),
            python: self.python.clone(),
            config: self.config.clone(),
            bind: self.bind.clone(),
            database_url: self.database_url.clone(),
            cache_url: self.cache_url.clone(),
            channel_layer_url: self.channel_layer_url.clone(),
            upstream: (!self.upstream.is_empty()).then(|| self.upstream.join(",")),
            allow_local: self.allow_local,
            handover: self.handover.clone(),
            tls_certificate: self.tls_certificate.clone(),
            tls_key: self.tls_key.clone(),
            admin_bind: self.admin_bind.clone(),
            routes: Vec::new(),
            environment: std::env::vars_os().collect(),
            cancellation: Cancellation::default(),
        }
    }
}
