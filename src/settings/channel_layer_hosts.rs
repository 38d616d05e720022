//! `hosts` of `[channel_layer]`: URLs, pairs and tables, as channels_redis 4.3 takes them (utils.py, `decode_hosts` and
//! `create_pool`), or what the project's own pools have.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::{
    channel_layer::MEND,
    key,
    problem::{Code, Problem},
    redis_server::{Server, Tls},
    redis_url,
    values::Values,
};
use crate::{
    channel_layer::Host,
    redis::{RedisAddress, RedisOptions, RedisTls, RedisTopology},
    secret::Secret,
};

/// What a table may say.
const NAMES: [&str; 18] = [
    "address",
    "url",
    "host",
    "port",
    "path",
    "unix_socket_path",
    "db",
    "username",
    "password",
    "sentinels",
    "master_name",
    "sentinel_kwargs",
    "ssl",
    "ssl_cert_reqs",
    "ssl_check_hostname",
    "ssl_ca_certs",
    "ssl_certfile",
    "ssl_keyfile",
];

/// The hosts, in their order, which decides who has which group.
pub(super) fn read(values: &Values, problems: &mut Vec<Problem>) -> Vec<Host> {
    const MEND_URL: &str = "[channel_layer]\nurl = \"redis://host:6379/0\"";
    let refused = |path: &str, sentence: String| {
        let mend = if path == "channel_layer.url" { MEND_URL } else { MEND };
        Problem::new(Code::ChannelLayerRefused, sentence).at(values.origin(path)).mend(mend)
    };
    if let Some(url) = values.text("channel_layer.url") {
        return match redis_url::parse(url) {
            Ok(options) => vec![options.into()],
            Err(sentence) => {
                problems.push(refused("channel_layer.url", sentence));
                Vec::new()
            }
        };
    }
    let read: Vec<Result<RedisOptions, String>> = match values.given("channel_layer.hosts") {
        Some((Value::Array(hosts), _)) => hosts.iter().map(stated).collect(),
        Some((one, _)) => vec![stated(one)],
        None => match values.given("channel_layer.servers").map(|(servers, _)| servers.clone()) {
            Some(servers) => match serde_json::from_value::<Vec<Server>>(servers) {
                Ok(servers) => servers.iter().map(of_document).collect(),
                Err(_) => vec![Err("`servers` of the channel layer in the document is no list of servers".to_owned())],
            },
            None => Vec::new(),
        },
    };
    let path =
        if values.given("channel_layer.hosts").is_some() { "channel_layer.hosts" } else { "channel_layer.servers" };
    let mut hosts = Vec::new();
    for host in read {
        match host {
            Ok(options) => hosts.push(options.into()),
            Err(sentence) => problems.push(refused(path, sentence)),
        }
    }
    hosts
}

fn of_document(server: &Server) -> Result<RedisOptions, String> {
    let missing = || "a host of the channel layer has neither host nor unix_socket".to_owned();
    let (username, password, database) = server.login();
    let topology = match (&server.sentinels, &server.service_name) {
        (Some(sentinels), Some(service)) => {
            let (sentinel_username, sentinel_password, _) = sentinels.first().map(Server::login).unwrap_or_default();
            let addresses = sentinels.iter().map(|one| one.address(26379)).collect::<Option<Vec<_>>>();
            RedisTopology::Sentinel {
                sentinels: addresses.filter(|all| !all.is_empty()).ok_or_else(missing)?,
                service: service.clone(),
                sentinel_username,
                sentinel_password,
                primary_tls: server.tls.as_ref().map(Tls::options),
            }
        }
        _ => RedisTopology::Single(server.address(6379).ok_or_else(missing)?),
    };
    Ok(RedisOptions { topology, username, password, database })
}

/// One entry as a person writes it. Sentences never show it: it may hold a password.
fn stated(entry: &Value) -> Result<RedisOptions, String> {
    match entry {
        Value::String(url) => redis_url::parse(url),
        Value::Array(pair) => Ok(without_login(RedisTopology::Single(pair_address(pair, 6379)?))),
        Value::Object(table) => of_table(table),
        _ => Err("`hosts` takes URLs, pairs such as [\"host\", 6379], or tables".to_owned()),
    }
}

fn without_login(topology: RedisTopology) -> RedisOptions {
    RedisOptions { topology, username: None, password: None, database: 0 }
}

fn pair_address(pair: &[Value], default_port: u16) -> Result<RedisAddress, String> {
    let (host, port) = match pair {
        [Value::String(host)] => (host, Some(default_port)),
        [Value::String(host), port] => (host, port.as_u64().and_then(|port| u16::try_from(port).ok())),
        _ => return Err("a pair of `hosts` is a name and a port, such as [\"host\", 6379]".to_owned()),
    };
    let port = port.ok_or_else(|| "a port in `hosts` is no port".to_owned())?;
    Ok(RedisAddress::Tcp { host: host.clone(), port, tls: None })
}

fn of_table(table: &Map<String, Value>) -> Result<RedisOptions, String> {
    if let Some(name) = table.keys().find(|name| !NAMES.contains(&name.as_str())) {
        let near = key::nearest(name, NAMES.into_iter()).map(|near| format!("; did you mean `{near}`?"));
        return Err(format!("a table of `hosts` has no `{name}`{}", near.unwrap_or_default()));
    }
    let text = |name: &str| table.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let mut options = match (text("address").or_else(|| text("url")), text("master_name")) {
        (Some(url), _) => redis_url::parse(&url)?,
        (None, Some(service)) => without_login(sentinels(table, service)?),
        (None, None) => without_login(RedisTopology::Single(address(table)?)),
    };
    // What the URL says wins, as with redis-py.
    options.username = options.username.or_else(|| text("username"));
    options.password = options.password.or_else(|| text("password").map(Secret::new));
    if options.database == 0
        && let Some(database) = table.get("db").and_then(Value::as_i64)
    {
        options.database = database;
    }
    change_tls(&mut options.topology, table);
    Ok(options)
}

fn address(table: &Map<String, Value>) -> Result<RedisAddress, String> {
    let text = |name: &str| table.get(name).and_then(Value::as_str);
    if let Some(path) = text("path").or_else(|| text("unix_socket_path")) {
        return Ok(RedisAddress::Unix(PathBuf::from(path)));
    }
    let host = text("host").ok_or_else(|| {
        "a table of `hosts` has an `address`, a `host`, a `path` or `sentinels` with a `master_name`".to_owned()
    })?;
    pair_address(&[Value::from(host), table.get("port").cloned().unwrap_or_else(|| 6379.into())], 6379)
}

fn sentinels(table: &Map<String, Value>, service: String) -> Result<RedisTopology, String> {
    let listed = table.get("sentinels").and_then(Value::as_array).filter(|list| !list.is_empty());
    let listed = listed.ok_or_else(|| "`master_name` needs `sentinels = [[\"host\", 26379]]`".to_owned())?;
    let one = |sentinel: &Value| match sentinel {
        Value::Array(pair) => pair_address(pair, 26379),
        Value::String(text) => redis_url::address(text, 26379, None),
        _ => Err("a Sentinel is a pair such as [\"host\", 26379]".to_owned()),
    };
    let login = |name: &str| table.get("sentinel_kwargs")?.get(name)?.as_str().map(str::to_owned);
    Ok(RedisTopology::Sentinel {
        sentinels: listed.iter().map(one).collect::<Result<_, _>>()?,
        service,
        sentinel_username: login("username"),
        sentinel_password: login("password").map(Secret::new),
        primary_tls: None,
    })
}

/// `ssl = true`, and the `ssl_*` options of a host that is reached by TLS.
fn change_tls(topology: &mut RedisTopology, table: &Map<String, Value>) {
    let tls = match topology {
        RedisTopology::Single(RedisAddress::Tcp { tls, .. }) => tls,
        RedisTopology::Sentinel { primary_tls, .. } => primary_tls,
        RedisTopology::Single(RedisAddress::Unix(_)) => return,
    };
    if table.get("ssl") == Some(&Value::Bool(true)) {
        tls.get_or_insert_with(RedisTls::default);
    }
    let Some(tls) = tls else { return };
    let file = |name: &str| table.get(name).and_then(Value::as_str).map(PathBuf::from);
    if let Some(requirement) = table.get("ssl_cert_reqs") {
        tls.accept_any_certificate = *requirement == Value::Bool(false)
            || requirement.as_str().is_some_and(|word| word.eq_ignore_ascii_case("none"));
    }
    if let Some(Value::Bool(checks)) = table.get("ssl_check_hostname") {
        tls.accept_any_name = !checks;
    }
    tls.ca_file = file("ssl_ca_certs").or_else(|| tls.ca_file.take());
    tls.certificate_file = file("ssl_certfile").or_else(|| tls.certificate_file.take());
    tls.key_file = file("ssl_keyfile").or_else(|| tls.key_file.take());
}
