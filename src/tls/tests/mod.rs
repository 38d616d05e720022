//! Certificates, connections, and what goes wrong with them.

mod identity;
mod listener;
mod renewal;
mod session;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsConnector;

use super::{TlsAcceptor, TlsOptions};
use crate::test_support::{Account, certificates::Certificates};

/// Longer than anything takes that is to happen.
const LONG: Duration = Duration::from_secs(20);

static CERTIFICATES: LazyLock<Certificates> =
    LazyLock::new(|| Certificates::new(Account::Own, "DNS:localhost,IP:127.0.0.1", "client"));

fn options() -> TlsOptions {
    let file = |name| PathBuf::from(CERTIFICATES.file(name));
    TlsOptions { certificate: file("server.pem"), key: file("server.key") }
}

/// With a certificate for localhost.
pub(crate) fn acceptor() -> Arc<TlsAcceptor> {
    Arc::new(TlsAcceptor::open(&options()).unwrap())
}

/// A client that trusts the tests' authority, and resumes nothing.
fn client_config(versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(CERTIFICATES.file("ca.pem")).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    config
}

fn name() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

fn client(versions: &[&'static SupportedProtocolVersion]) -> ClientConnection {
    ClientConnection::new(Arc::new(client_config(versions)), name()).unwrap()
}

/// A client's connection to `address`.
async fn connect(address: SocketAddr) -> tokio_rustls::client::TlsStream<TcpStream> {
    let tcp = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::new(client_config(rustls::ALL_VERSIONS))).connect(name(), tcp).await.unwrap()
}

/// An address where plain bytes go in and come out that are TLS towards `server`.
pub(crate) async fn tunnel(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connector = TlsConnector::from(Arc::new(client_config(rustls::ALL_VERSIONS)));
    tokio::spawn(async move {
        while let Ok((mut plain, _)) = listener.accept().await {
            let connector = connector.clone();
            tokio::spawn(async move {
                let Ok(tcp) = TcpStream::connect(server).await else { return };
                tcp.set_nodelay(true).unwrap();
                let Ok(mut secured) = connector.connect(name(), tcp).await else { return };
                let _ = copy_bidirectional(&mut plain, &mut secured).await;
            });
        }
    });
    address
}
