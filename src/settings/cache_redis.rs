//! The Redis of `[cache]`: from a URL, from names, or from the servers that Django's cache object has.

use serde_json::Value;

use super::{
    layer::Layers,
    problem::{Code, Problem},
    redis_server::Server,
    redis_url,
    values::Values,
};
use crate::{
    redis::{RedisAddress, RedisOptions, RedisTopology},
    secret::Secret,
};

const MEND: &str = "[cache]\nlocation = \"redis://user:password@host:6379/0\"";

/// The Redis that tickets are kept in.
pub(super) fn read(layers: &mut Layers) -> Result<RedisOptions, Problem> {
    let mut options = place(layers)?;
    let values = &layers.values;
    if let Some(username) = values.text("cache.username") {
        options.username = Some(username.to_owned());
    }
    if let Some(password) = values.text("cache.password").filter(|password| !password.is_empty()) {
        options.password = Some(Secret::new(password));
    }
    if let Some(database) = values.integer("cache.db") {
        options.database = database;
    }
    if let RedisTopology::Sentinel { sentinel_username, sentinel_password, .. } = &mut options.topology {
        if let Some(username) = values.text("cache.sentinel_username") {
            *sentinel_username = Some(username.to_owned());
        }
        if let Some(password) = values.text("cache.sentinel_password").filter(|password| !password.is_empty()) {
            *sentinel_password = Some(Secret::new(password));
        }
    }
    Ok(options)
}

fn place(layers: &mut Layers) -> Result<RedisOptions, Problem> {
    let values = &layers.values;
    if let Some(url) = values.text("cache.url") {
        return url_of("cache.url", url, values);
    }
    if values.is_stated("cache.sentinels") {
        return named_sentinels(values);
    }
    let locations = values.texts("cache.location").unwrap_or_default();
    // Django splits one text into several servers, but not the texts of a list.
    let split = locations.len() == 1;
    let mut locations = locations.iter().flat_map(|text| split_servers(text, split));
    if let Some(first) = locations.next() {
        let several = locations.next().is_some();
        let options = url_of("cache.location", first, values)?;
        if several {
            note_first_only(layers);
        }
        return Ok(options);
    }
    let (servers, sentinels) = (servers(values, "cache.servers")?, servers(values, "cache.sentinels")?);
    let several = sentinels.is_empty() && servers.len() > 1;
    let mut servers = servers.into_iter();
    let options = if sentinels.is_empty() {
        let missing = || Problem::new(Code::CacheMissing, "the cache has no location").mend(MEND);
        let first = servers.next().ok_or_else(missing)?;
        let (username, password, database) = first.login();
        RedisOptions { topology: RedisTopology::Single(address(&first, 6379)?), username, password, database }
    } else {
        let primary = servers.next();
        sentinel_options(values, sentinels, primary)?
    };
    if several {
        note_first_only(layers);
    }
    Ok(options)
}

/// `a;b` and `a,b`, as Django's `RedisCache` splits `LOCATION`; a Sentinel URL keeps its commas.
fn split_servers(text: &str, split: bool) -> impl Iterator<Item = &str> {
    let whole = !split || text.contains("sentinel://");
    text.split(move |c| !whole && (c == ';' || c == ',')).map(str::trim).filter(|part| !part.is_empty())
}

fn note_first_only(layers: &mut Layers) {
    let note = "the cache has several servers: tickets are written to and read from the first, the primary, alone";
    layers.notes.push(note.to_owned());
}

fn url_of(path: &str, url: &str, values: &Values) -> Result<RedisOptions, Problem> {
    redis_url::parse(url).map_err(|sentence| Problem::new(Code::CacheUrl, sentence).at(values.origin(path)).mend(MEND))
}

fn servers(values: &Values, path: &str) -> Result<Vec<Server>, Problem> {
    let Some((value, origin)) = values.given(path) else {
        return Ok(Vec::new());
    };
    if value.is_null() {
        return Ok(Vec::new());
    }
    serde_json::from_value(value.clone()).map_err(|_| {
        let sentence = format!("`{path}` in the document is no list of servers");
        Problem::new(Code::NotTheDocument, sentence).at(origin)
    })
}

fn address(server: &Server, default_port: u16) -> Result<RedisAddress, Problem> {
    let missing = || Problem::new(Code::NotTheDocument, "a server of the cache has neither host nor unix_socket");
    server.address(default_port).ok_or_else(missing)
}

fn sentinel_options(values: &Values, sentinels: Vec<Server>, primary: Option<Server>) -> Result<RedisOptions, Problem> {
    let (sentinel_username, sentinel_password, _) = sentinels.first().map(Server::login).unwrap_or_default();
    let sentinels = sentinels.into_iter().map(|server| address(&server, 26379)).collect::<Result<_, _>>()?;
    let (username, password, database) = primary.as_ref().map(Server::login).unwrap_or_default();
    let topology = RedisTopology::Sentinel {
        sentinels,
        service: service(values)?,
        sentinel_username,
        sentinel_password,
        primary_tls: primary.and_then(|server| server.tls).map(|tls| tls.options()),
    };
    Ok(RedisOptions { topology, username, password, database })
}

/// `sentinels = ["h1:26379", "h2:26379"]`, or pairs as `DJANGO_REDIS` has them.
fn named_sentinels(values: &Values) -> Result<RedisOptions, Problem> {
    let origin = values.origin("cache.sentinels");
    let bad = || {
        Problem::new(Code::BadValue, "`cache.sentinels` takes a list of \"host:port\"")
            .at(origin)
            .mend("[cache]\nsentinels = [\"h1:26379\", \"h2:26379\"]\nservice_name = \"mymaster\"")
    };
    let listed = match values.given("cache.sentinels") {
        Some((Value::Array(list), _)) => list.clone(),
        Some((Value::String(text), _)) => text.split(',').map(|host| Value::from(host.trim())).collect(),
        _ => return Err(bad()),
    };
    let address = |value: &Value| match value {
        Value::String(text) => redis_url::address(text, 26379, None).map_err(|_| bad()),
        Value::Array(pair) => match pair.as_slice() {
            [Value::String(host), Value::Number(port)] => {
                redis_url::address(&format!("{host}:{port}"), 26379, None).map_err(|_| bad())
            }
            _ => Err(bad()),
        },
        _ => Err(bad()),
    };
    let sentinels = listed.iter().map(address).collect::<Result<Vec<_>, _>>()?;
    if sentinels.is_empty() {
        return Err(bad());
    }
    let topology = RedisTopology::Sentinel {
        sentinels,
        service: service(values)?,
        sentinel_username: None,
        sentinel_password: None,
        primary_tls: None,
    };
    Ok(RedisOptions { topology, username: None, password: None, database: 0 })
}

fn service(values: &Values) -> Result<String, Problem> {
    values.text("cache.service_name").filter(|name| !name.is_empty()).map(str::to_owned).ok_or_else(|| {
        Problem::new(Code::CacheMissing, "the Sentinels' service is not named")
            .mend("[cache]\nservice_name = \"mymaster\"")
    })
}
