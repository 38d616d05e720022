//! What a check can find: one table of codes, of which `docs/check.md` is made.

use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Level {
    /// Something to know, which is no fault.
    Note,
    /// It works, and may not go on to, or is less safe than it could be.
    Warning,
    /// It does not work, or is not safe.
    Error,
}

impl Level {
    /// As in the text of a check.
    pub(super) const fn mark(self) -> &'static str {
        match self {
            Self::Note => "note ",
            Self::Warning => "WARN ",
            Self::Error => "FAIL ",
        }
    }
}

/// A kind of finding. Codes are never renamed or reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Code {
    SettingsNote,
    TicketViewTurnedOff,
    TicketViewLeft,
    TicketViewPart,
    NothingAdmitted,
    Debug,
    KeyPublic,
    KeyShort,
    KeyWeak,
    KeyUnusable,
    AskKeyWeak,
    DatabaseSilent,
    PoolTooLarge,
    PoolTight,
    ConnectionsUnknown,
    DatabaseClock,
    DatabaseClockUnknown,
    UsersOneByOne,
    CacheSilent,
    TicketLost,
    DjangoFindsNone,
    DjangoUnknownHere,
    DjangoNotAsked,
    DjangoFailed,
    CacheLocal,
    Eviction,
    EvictionOfExpiring,
    OldRedis,
    CommandForbidden,
    GetdelForbidden,
    RedisClock,
    RedisUnknown,
    SharedDatabase,
    PubSubShared,
    NoHosts,
    AnyHost,
    OriginsNotChecked,
    AnyOrigin,
    LayerSilent,
    LayerBlocked,
    LayerSmall,
    LeaseIdle,
    LeaseOff,
    LayerLocal,
    LayerKeepsNothing,
    LayerUnused,
    LayerMissing,
    LayerShortExpiry,
    RouteUnusable,
    MiddlewareReplaced,
    MiddlewareNotRun,
    Held,
    DescriptorsExceeded,
    DescriptorsFew,
    DescriptorsUnknown,
    ForwardedUnstated,
    AdminOpen,
    CertificateRefused,
    CertificateEndsSoon,
    CertificateNameless,
    CertificateOtherHost,
    KeyReadable,
    UpstreamUnreachable,
    UpstreamSilent,
    UpstreamUnhealthy,
    CompareImpossible,
    CompareDiffers,
}

/// A line of the table.
pub(super) struct Explanation {
    pub(super) code: Code,
    /// What is printed, such as `C101`.
    pub(super) name: &'static str,
    pub(super) level: Level,
    pub(super) title: &'static str,
    /// Why it matters.
    pub(super) why: &'static str,
    /// What mends it, where a finding has no better lines; empty where there is nothing to mend.
    pub(super) mend: &'static str,
}

const fn explain(
    code: Code,
    name: &'static str,
    level: Level,
    title: &'static str,
    why: &'static str,
    mend: &'static str,
) -> Explanation {
    Explanation { code, name, level, title, why, mend }
}

impl Code {
    /// Every code, in order of their names.
    pub(super) const TABLE: [Explanation; 67] = [
        explain(
            Self::SettingsNote,
            "C001",
            Level::Note,
            "a remark on the settings",
            "It is what the log says at the start, too.",
            "",
        ),
        explain(
            Self::TicketViewTurnedOff,
            "C002",
            Level::Note,
            "the ticket view is turned off",
            "Clients get their tickets from Django.",
            "[ticket]\nserve = \"auto\"",
        ),
        explain(
            Self::TicketViewLeft,
            "C003",
            Level::Note,
            "the ticket view is left to Django",
            "What is not understood to the letter is not imitated. Without an [upstream] nobody serves it at this address.",
            "",
        ),
        explain(
            Self::TicketViewPart,
            "C004",
            Level::Note,
            "a part of the ticket view that is not understood",
            "Until it is settled, Django goes on serving the view.",
            "",
        ),
        explain(
            Self::NothingAdmitted,
            "C006",
            Level::Note,
            "no ticket is issued or redeemed here",
            "So database and cache are not opened: all of that is Django's, behind sluicegate.",
            "",
        ),
        explain(
            Self::Debug,
            "C007",
            Level::Warning,
            "DEBUG is on",
            "Django's own check (security.W018) asks for it to be off in production: its error pages show settings, and \
             ALLOWED_HOSTS may be empty.",
            "DEBUG = False",
        ),
        explain(
            Self::KeyPublic,
            "C101",
            Level::Error,
            "the signing key is the one that startproject made",
            "Whoever has seen the repository can sign access tokens, and so be anybody.",
            "SECRET_KEY = os.environ[\"SECRET_KEY\"]        # or SIMPLE_JWT[\"SIGNING_KEY\"]; every token ends with the old one",
        ),
        explain(
            Self::KeyShort,
            "C102",
            Level::Error,
            "the signing key is shorter than its hash",
            "RFC 7518 asks for a key at least as long as the hash: a shorter one can be guessed from any token.",
            "SECRET_KEY = ...        # python -c \"import secrets; print(secrets.token_urlsafe(64))\"",
        ),
        explain(
            Self::KeyWeak,
            "C103",
            Level::Warning,
            "the signing key is weak",
            "Django's own check (security.W009) asks for 50 characters and 5 different ones: what protects tokens and \
             sessions should not be guessed.",
            "SECRET_KEY = ...        # python -c \"import secrets; print(secrets.token_urlsafe(64))\"",
        ),
        explain(
            Self::KeyUnusable,
            "C104",
            Level::Error,
            "the key cannot be used",
            "No access token could be checked.",
            "",
        ),
        explain(
            Self::AskKeyWeak,
            "C105",
            Level::Warning,
            "the key that signs questions is weak",
            "Whoever guesses it can ask your view in sluicegate's name.",
            "[ask]\nkey = \"...\"        # python -c \"import secrets; print(secrets.token_urlsafe(64))\"",
        ),
        explain(
            Self::DatabaseSilent,
            "C201",
            Level::Error,
            "the database does not answer the user query",
            "Nobody can be admitted without it.",
            "",
        ),
        explain(
            Self::PoolTooLarge,
            "C202",
            Level::Error,
            "the pool is larger than the database allows",
            "Under load the database refuses connections, and handshakes are answered with 503; Django's own are refused, too.",
            "",
        ),
        explain(
            Self::PoolTight,
            "C203",
            Level::Warning,
            "the pool is larger than what is free",
            "How many processes connect is not known here; each has a pool of its own.",
            "",
        ),
        explain(
            Self::ConnectionsUnknown,
            "C204",
            Level::Note,
            "how many connections there may be is not known",
            "Pools of all processes together have to fit.",
            "",
        ),
        explain(
            Self::DatabaseClock,
            "C205",
            Level::Warning,
            "the database's clock differs",
            "Machines that disagree about the time disagree about which tokens and tickets have expired: a token that was \
             just issued is invalid where the clock is behind.",
            "timedatectl set-ntp true        # on both machines",
        ),
        explain(
            Self::DatabaseClockUnknown,
            "C206",
            Level::Note,
            "the database's clock is not known",
            "Whether machines agree about the time could not be told.",
            "",
        ),
        explain(
            Self::UsersOneByOne,
            "C207",
            Level::Note,
            "the users of open sockets are looked up one by one",
            "The statement of the user model cannot be asked for many keys at once. Each check of the open sockets then sends \
             one query for each user, some 200 a second, and takes longer than `user_check_interval` with very many users.",
            "[websocket]\nuser_check_interval = \"60s\"        # or \"off\", or a manager without joins",
        ),
        explain(
            Self::CacheSilent,
            "C301",
            Level::Error,
            "the cache does not take tickets",
            "No ticket can be issued or redeemed.",
            "",
        ),
        explain(
            Self::TicketLost,
            "C302",
            Level::Error,
            "a ticket does not come back as it was written",
            "A ticket opens one socket, once. A cache that loses, changes or repeats it does not hold that.",
            "",
        ),
        explain(
            Self::DjangoFindsNone,
            "C303",
            Level::Error,
            "Django does not find a ticket of sluicegate's",
            "Tickets issued here open no socket at Django: another server, database, KEY_PREFIX, VERSION, KEY_FUNCTION or \
             serializer.",
            "",
        ),
        explain(
            Self::DjangoUnknownHere,
            "C304",
            Level::Error,
            "a ticket of Django's is not found here",
            "Whoever gets a ticket from Django is refused here: another server, database, KEY_PREFIX, VERSION, KEY_FUNCTION \
             or serializer.",
            "",
        ),
        explain(
            Self::DjangoNotAsked,
            "C305",
            Level::Note,
            "Django was not asked to redeem a ticket",
            "Whether both use the same keys of the cache was not tried.",
            "sluicegate check --django mysite.asgi:application",
        ),
        explain(
            Self::DjangoFailed,
            "C306",
            Level::Warning,
            "Django could not be asked to redeem a ticket",
            "The project's Python reads its settings, but could not use its cache.",
            "",
        ),
        explain(
            Self::CacheLocal,
            "C307",
            Level::Note,
            "tickets are kept in this process's own memory",
            "A ticket is known to the process alone that issued it, neither to Django nor to a second sluicegate.",
            "CACHES = {\"default\": {\"BACKEND\": \"django.core.cache.backends.redis.RedisCache\", \
             \"LOCATION\": \"redis://127.0.0.1:6379/1\"}}",
        ),
        explain(
            Self::Eviction,
            "C401",
            Level::Warning,
            "Redis may evict any key",
            "When its memory is full, tickets, queues and memberships of groups vanish without an error: sockets are refused \
             with ticket_invalid, or hear nothing any more.",
            "maxmemory-policy noeviction        # redis.conf, or CONFIG SET; a cache that may be evicted has a Redis of its own",
        ),
        explain(
            Self::EvictionOfExpiring,
            "C402",
            Level::Note,
            "Redis may evict keys that expire",
            "Tickets and the channel layer's keys all expire, so they can be evicted when the memory is full; noeviction \
             refuses writes instead, with an error that is seen.",
            "maxmemory-policy noeviction        # redis.conf, or CONFIG SET",
        ),
        explain(
            Self::OldRedis,
            "C403",
            Level::Note,
            "Redis is older than 6.2",
            "It has no GETDEL: a ticket is taken by MULTI, GET, DEL and EXEC, in one more round trip. One caller wins all the \
             same.",
            "",
        ),
        explain(
            Self::CommandForbidden,
            "C404",
            Level::Error,
            "the Redis user may not do what is needed",
            "Redis refuses the command when it is first sent, which may be long after the start.",
            "",
        ),
        explain(
            Self::GetdelForbidden,
            "C405",
            Level::Note,
            "the Redis user may not send GETDEL",
            "A ticket is then taken by GET and DEL, in one more round trip; one caller wins all the same, since DEL tells only \
             one of them that it deleted something.",
            "ACL SETUSER ... +getdel",
        ),
        explain(
            Self::RedisClock,
            "C406",
            Level::Warning,
            "Redis' clock differs",
            "Memberships are written by Redis' clock and read by Django's, and a message that seems older than `expiry` is \
             dropped; a token that was just issued is invalid where the clock is behind.",
            "timedatectl set-ntp true        # on both machines",
        ),
        explain(
            Self::RedisUnknown,
            "C407",
            Level::Note,
            "Redis does not say",
            "A managed Redis often refuses INFO, CONFIG and ACL. What could not be asked was not checked.",
            "",
        ),
        explain(
            Self::SharedDatabase,
            "C408",
            Level::Warning,
            "cache and channel layer share one database of Redis",
            "Django's `cache.clear()` is FLUSHDB: it takes every socket out of its groups, and the messages that wait with \
             them.",
            "",
        ),
        explain(
            Self::PubSubShared,
            "C409",
            Level::Note,
            "pub/sub knows no database numbers",
            "Another project on the same Redis with the same `prefix` hears the same groups, whatever its database number.",
            "CHANNEL_LAYERS = {\"default\": {..., \"CONFIG\": {..., \"prefix\": \"mysite\"}}}",
        ),
        explain(
            Self::NoHosts,
            "C501",
            Level::Warning,
            "ALLOWED_HOSTS is empty",
            "With DEBUG off, Django answers every request with 400, and so does the ticket view here.",
            "ALLOWED_HOSTS = [\"example.com\"]",
        ),
        explain(
            Self::AnyHost,
            "C502",
            Level::Warning,
            "ALLOWED_HOSTS lets every host in",
            "A forged Host header ends in links and redirects that Django makes, and AllowedHostsOriginValidator lets every \
             page open sockets.",
            "ALLOWED_HOSTS = [\"example.com\"]",
        ),
        explain(
            Self::OriginsNotChecked,
            "C503",
            Level::Warning,
            "any web page may open sockets",
            "No origin validator stands before the consumers. A ticket still has to be had, which another page cannot; but \
             whatever takes cookies for a login takes them from every page.",
            "[websocket]\nallowed_origins = [\"https://example.com\"]",
        ),
        explain(
            Self::AnyOrigin,
            "C504",
            Level::Warning,
            "the origin validator lets every page in",
            "An entry `*` lets in every origin, and handshakes without one.",
            "[websocket]\nallowed_origins = [\"https://example.com\"]",
        ),
        explain(
            Self::LayerSilent,
            "C601",
            Level::Error,
            "no message comes around in the channel layer",
            "Sockets of routes with groups are refused, and nobody reaches those that are open.",
            "",
        ),
        explain(
            Self::LayerBlocked,
            "C602",
            Level::Error,
            "capacity is 0",
            "Every channel is full, so nothing is ever sent: `send` is ChannelFull, and `group_send` reaches nobody, as with \
             Channels.",
            "CHANNEL_LAYERS = {\"default\": {..., \"CONFIG\": {..., \"capacity\": 1500}}}",
        ),
        explain(
            Self::LayerSmall,
            "C603",
            Level::Note,
            "capacity is small",
            "What is sent beyond it is dropped by the sender without an error, as with Channels. The sender's setting counts, \
             so it is Django's that has to be raised; or sluicegate reads from more queues.",
            "CHANNEL_LAYERS = {\"default\": {..., \"CONFIG\": {..., \"capacity\": 1500}}}\n\
             or\n\
             [channel_layer]\n\
             queues = 8",
        ),
        explain(
            Self::LeaseIdle,
            "C604",
            Level::Note,
            "the lease does nothing",
            "What stays of a process that died stays for group_expiry, as with lease = \"off\".",
            "[channel_layer]\nlease = \"2m\"",
        ),
        explain(
            Self::LeaseOff,
            "C605",
            Level::Note,
            "the lease is off",
            "A process that died stays in its groups for group_expiry, and messages are written for it meanwhile.",
            "[channel_layer]\nlease = \"2m\"",
        ),
        explain(
            Self::LayerLocal,
            "C606",
            Level::Note,
            "the channel layer is this process's own memory",
            "Neither Django nor another process reaches the sockets here.",
            "CHANNEL_LAYERS = {\"default\": {\"BACKEND\": \"channels_redis.core.RedisChannelLayer\", \"CONFIG\": {\"hosts\": \
             [(\"127.0.0.1\", 6379)]}}}",
        ),
        explain(
            Self::LayerKeepsNothing,
            "C607",
            Level::Note,
            "pub/sub keeps nothing",
            "What is sent while a connection to Redis is lost reaches nobody behind it.",
            "",
        ),
        explain(Self::LayerUnused, "C608", Level::Note, "no route uses the channel layer", "", ""),
        explain(
            Self::LayerMissing,
            "C609",
            Level::Note,
            "there is no channel layer",
            "The answer of an asked view may then name no groups.",
            "",
        ),
        explain(
            Self::LayerShortExpiry,
            "C610",
            Level::Warning,
            "messages expire soon",
            "A message that waits longer than `expiry` is dropped, as while a process is busy, or where clocks differ by as \
             much.",
            "CHANNEL_LAYERS = {\"default\": {..., \"CONFIG\": {..., \"expiry\": 60}}}",
        ),
        explain(
            Self::RouteUnusable,
            "C701",
            Level::Error,
            "a route cannot be used",
            "`serve` ends with the same words.",
            "",
        ),
        explain(
            Self::MiddlewareReplaced,
            "C702",
            Level::Note,
            "a subclass of JwtAuthMiddleware decides about tickets",
            "Only its own Python can do what it overrides.",
            "",
        ),
        explain(
            Self::MiddlewareNotRun,
            "C703",
            Level::Warning,
            "middleware that does not run for a declared route",
            "In the ASGI application it stands before the consumer that the route takes the place of. What it adds to the \
             scope, refuses or counts is not done here.",
            "",
        ),
        explain(
            Self::Held,
            "C704",
            Level::Note,
            "sockets are held while their server is away",
            "At its return, or at another one, `connect` runs again; a message of which a part was on its way is lost. A \
             consumer that ends with an exception looks the same from here.",
            "",
        ),
        explain(
            Self::DescriptorsExceeded,
            "C801",
            Level::Error,
            "more connections than file descriptors",
            "Each socket has one, and one more where it is passed on. Beyond the limit handshakes are refused with \
             limit_connections.",
            "LimitNOFILE=100000        # systemd; `ulimits` in compose",
        ),
        explain(
            Self::DescriptorsFew,
            "C802",
            Level::Warning,
            "few file descriptors",
            "Each socket has one, and one more where it is passed on. Beyond the limit handshakes are refused with \
             limit_connections.",
            "LimitNOFILE=100000        # systemd; `ulimits` in compose",
        ),
        explain(
            Self::DescriptorsUnknown,
            "C803",
            Level::Note,
            "the limit of file descriptors is not known",
            "Each socket has one, and one more where it is passed on.",
            "",
        ),
        explain(
            Self::ForwardedUnstated,
            "C804",
            Level::Note,
            "a proxy's headers are believed, whoever sends them",
            "Whoever reaches this address may say them.",
            "[limits]\ntrusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]        # the proxies before sluicegate; [] if there is none",
        ),
        explain(
            Self::AdminOpen,
            "C811",
            Level::Warning,
            "other machines reach the admin address, and there is no token",
            "Whoever reaches it reads who is connected, from where, and what groups there are; nobody can disconnect anybody.",
            "[admin]\nbind = \"127.0.0.1:9001\"        # or a network of your own\ntoken = \"...\"        # openssl rand -base64 32",
        ),
        explain(
            Self::CertificateRefused,
            "C821",
            Level::Error,
            "clients refuse the certificate",
            "Browsers show a warning, and a WebSocket fails without a word.",
            "certbot renew        # new files are taken up within a minute, without a restart",
        ),
        explain(
            Self::CertificateEndsSoon,
            "C822",
            Level::Warning,
            "the certificate ends soon",
            "What renews it should have done so by now. New files are taken up within a minute, without a restart.",
            "systemctl status certbot.timer",
        ),
        explain(
            Self::CertificateNameless,
            "C823",
            Level::Warning,
            "the certificate names no host",
            "Clients compare the host with the names of subjectAltName alone, and find none.",
            "certbot certonly -d example.com",
        ),
        explain(
            Self::CertificateOtherHost,
            "C824",
            Level::Note,
            "the certificate is not for a host of ALLOWED_HOSTS",
            "Clients that connect by this name refuse it. Where another server ends their TLS, its certificate counts.",
            "certbot certonly -d example.com",
        ),
        explain(
            Self::KeyReadable,
            "C825",
            Level::Warning,
            "the private key can be read by everybody on this machine",
            "Whoever has it can pass for this server.",
            "chmod 640 privkey.pem",
        ),
        explain(
            Self::UpstreamUnreachable,
            "C901",
            Level::Error,
            "the upstream cannot be connected to",
            "What is passed on is answered with 503.",
            "",
        ),
        explain(
            Self::UpstreamSilent,
            "C902",
            Level::Error,
            "the upstream does not answer",
            "What is passed on is answered with 502 or 504.",
            "",
        ),
        explain(
            Self::UpstreamUnhealthy,
            "C903",
            Level::Error,
            "the upstream is not healthy",
            "By the answer to `health_path` it is passed over.",
            "",
        ),
        explain(
            Self::CompareImpossible,
            "C951",
            Level::Error,
            "the answers could not be compared",
            "`--compare` sends the same harmless requests to Django and to sluicegate.",
            "",
        ),
        explain(
            Self::CompareDiffers,
            "C952",
            Level::Error,
            "an answer differs from Django's",
            "A client would see the difference.",
            "",
        ),
    ];

    pub(super) fn explanation(self) -> &'static Explanation {
        // Every code is in the table: a test holds it to that.
        Self::TABLE.iter().find(|line| line.code == self).unwrap_or(&Self::TABLE[0])
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fmt::Write as _};

    use super::*;

    const PAGE: &str = include_str!("../../../docs/check.md");
    const BEGIN: &str = "<!-- codes -->\n";

    fn made() -> String {
        let head = PAGE.split(BEGIN).next().unwrap_or_default();
        let mut page = format!("{head}{BEGIN}");
        for line in &Code::TABLE {
            let level = match line.level {
                Level::Note => "note",
                Level::Warning => "warning",
                Level::Error => "error",
            };
            let _ = writeln!(page, "\n**{}: {}** ({level}).{}{}", line.name, line.title, gap(line.why), line.why);
            if !line.mend.is_empty() {
                let _ = writeln!(page, "\n```text\n{}\n```", line.mend);
            }
        }
        page
    }

    fn gap(text: &str) -> &'static str {
        if text.is_empty() { "" } else { " " }
    }

    #[test]
    fn the_page_of_findings_has_every_code() {
        if PAGE != made() {
            // `cargo test the_page_of_findings` a second time, with this file in place of the old one.
            let file = std::env::temp_dir().join("check.md");
            std::fs::write(&file, made()).unwrap();
            panic!("docs/check.md is not what the table says: take {}", file.display());
        }
    }

    #[test]
    fn the_table_names_every_code_once_and_in_order() {
        let names: Vec<_> = Code::TABLE.iter().map(|line| line.name).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
        let codes: BTreeSet<_> = Code::TABLE.iter().map(|line| line.code).collect();
        assert_eq!(codes.len(), Code::TABLE.len());
        // The last of the enum: every one before it is in the table, too.
        assert_eq!(Code::CompareDiffers as usize + 1, Code::TABLE.len());
    }
}
