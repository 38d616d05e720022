//! `sluicegate healthcheck`: what an image without a shell or Python has for its HEALTHCHECK.

use std::{
    env, fmt,
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs},
    time::Duration,
};

use url::{Host, Url};

use super::{DONE, FAILED, UNUSABLE, args::HealthcheckArguments};

/// For each of connecting, asking and reading.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Of an answer, which names a few parts.
const MOST_BYTES: u64 = 64 * 1024;
/// Where the server listens, the first that is set: the admin address has no TLS and outlives the accepting.
const ADDRESSES: [&str; 4] =
    ["SLUICEGATE_ADMIN_BIND", "SLUICEGATE__ADMIN__BIND", "SLUICEGATE_BIND", "SLUICEGATE__BIND"];

pub(super) fn run(arguments: &HealthcheckArguments) -> u8 {
    let url = arguments.url.clone().unwrap_or_else(|| default_url(|name| env::var(name).ok()));
    let Some(asked) = Asked::parse(&url) else {
        eprintln!("sluicegate: not a URL such as http://127.0.0.1:8001/readyz: {url}");
        return UNUSABLE;
    };
    match asked.ask() {
        Ok(answer) if answer.is_good() => DONE,
        Ok(answer) => {
            eprintln!("sluicegate: {url}: {answer}");
            FAILED
        }
        Err(error) => {
            eprintln!("sluicegate: {url}: {error}");
            FAILED
        }
    }
}

fn default_url(variable: impl Fn(&str) -> Option<String>) -> String {
    let bind = ADDRESSES.into_iter().find_map(variable).unwrap_or_else(|| "127.0.0.1:8001".to_owned());
    format!("http://{bind}/readyz")
}

/// An `http` URL, taken apart.
struct Asked {
    host: String,
    port: u16,
    target: String,
}

impl Asked {
    fn parse(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok().filter(|url| url.scheme() == "http")?;
        let host = match url.host()? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => reachable(address.into()).to_string(),
            Host::Ipv6(address) => reachable(address.into()).to_string(),
        };
        let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        Some(Self { host, port: url.port_or_known_default()?, target })
    }

    fn ask(&self) -> io::Result<Answer> {
        let mut stream = self.connect()?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let name = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let Self { port, target, .. } = self;
        write!(stream, "GET {target} HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.take(MOST_BYTES).read_to_end(&mut answer)?;
        Ok(Answer(String::from_utf8_lossy(&answer).into_owned()))
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            match connect(&address) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

fn connect(address: &SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(address, TIMEOUT)
}

/// A server that listens on all addresses is asked on this machine's own.
fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}

/// A whole HTTP answer.
struct Answer(String);

impl Answer {
    fn is_good(&self) -> bool {
        self.0.starts_with("HTTP/1.1 200 ")
    }
}

impl fmt::Display for Answer {
    /// Status and body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.0.lines().next().unwrap_or("no answer");
        let body = self.0.split_once("\r\n\r\n").map_or("", |(_, body)| body.trim_end());
        write!(f, "{status} {body}")
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    /// The exit code, and what was asked of a server that gives `answer`.
    fn checked(answer: &'static str) -> (u8, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = vec![0; 4096];
            let length = stream.read(&mut asked).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(asked[..length].to_vec()).unwrap()
        });
        let code = run(&HealthcheckArguments { url: Some(format!("http://0.0.0.0:{port}/readyz")) });
        (code, server.join().unwrap())
    }

    #[test]
    fn ready_is_0_and_anything_else_is_1() {
        let (code, asked) = checked("HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"status\":\"ok\"}");
        assert_eq!(code, DONE);
        assert!(asked.starts_with("GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:"), "{asked}");
        assert_eq!(checked("HTTP/1.1 503 Service Unavailable\r\n\r\n{\"status\":\"draining\"}").0, FAILED);
        assert_eq!(checked("").0, FAILED);
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(run(&HealthcheckArguments { url: Some(format!("http://{closed}/readyz")) }), FAILED);
    }

    #[test]
    fn what_cannot_be_asked_is_said() {
        for url in ["https://127.0.0.1:8001/readyz", "127.0.0.1", ""] {
            assert_eq!(run(&HealthcheckArguments { url: Some(url.to_owned()) }), UNUSABLE, "{url}");
        }
    }

    #[test]
    fn the_environments_address_is_asked_the_admin_address_first() {
        let url = |set: &[&str]| default_url(|name| set.contains(&name).then(|| format!("{name}:1")));
        assert_eq!(url(&[]), "http://127.0.0.1:8001/readyz");
        assert_eq!(url(&["SLUICEGATE_BIND"]), "http://SLUICEGATE_BIND:1/readyz");
        assert_eq!(url(&["SLUICEGATE_BIND", "SLUICEGATE_ADMIN_BIND"]), "http://SLUICEGATE_ADMIN_BIND:1/readyz");
    }
}
