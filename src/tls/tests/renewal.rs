use std::{fs, os::unix::fs::symlink, path::Path};

use tokio::time::{sleep, timeout};

use super::*;
use crate::test_support::Folder;

/// Two folders of certificates, and a link that says which is in use.
struct Mounted {
    folder: Folder,
    options: TlsOptions,
}

impl Mounted {
    /// As Kubernetes mounts a secret: `tls.crt` leads to `..data/tls.crt`, and `..data` to a folder that is swapped.
    fn new() -> Self {
        let folder = Folder::new(Account::Own);
        let path = |name: &str| folder.path().join(name);
        symlink("..data/tls.crt", path("tls.crt")).unwrap();
        symlink("..data/tls.key", path("tls.key")).unwrap();
        let options = TlsOptions { certificate: path("tls.crt"), key: path("tls.key") };
        let mounted = Self { folder, options };
        mounted.swap("first", &CERTIFICATES.file("server.pem"), &CERTIFICATES.file("server.key"));
        mounted
    }

    fn swap(&self, name: &str, certificate: &str, key: &str) {
        let path = |name: &str| self.folder.path().join(name);
        fs::create_dir(path(name)).unwrap();
        fs::copy(certificate, path(name).join("tls.crt")).unwrap();
        fs::copy(key, path(name).join("tls.key")).unwrap();
        symlink(name, path("new")).unwrap();
        fs::rename(path("new"), path("..data")).unwrap();
    }
}

fn shown(acceptor: &TlsAcceptor) -> Vec<u8> {
    acceptor.shown().to_vec()
}

fn first(file: impl AsRef<Path>) -> Vec<u8> {
    CertificateDer::from_pem_file(file).unwrap().to_vec()
}

#[tokio::test]
async fn a_certificate_that_is_swapped_is_used_and_a_bad_one_is_not() {
    let mounted = Mounted::new();
    let acceptor = Arc::new(TlsAcceptor::open(&mounted.options).unwrap());
    let (old, new) = (CERTIFICATES.file("server.pem"), CERTIFICATES.file("client.pem"));
    let renewal = tokio::spawn(Arc::clone(&acceptor).renew_every(Duration::from_millis(20), Duration::from_millis(20)));
    assert_eq!(shown(&acceptor), first(&old));
    mounted.swap("bad", &new, &CERTIFICATES.file("server.key"));
    sleep(Duration::from_millis(200)).await;
    assert_eq!(shown(&acceptor), first(&old), "a key that does not fit");
    mounted.swap("good", &new, &CERTIFICATES.file("client.key"));
    let swapped = async {
        while shown(&acceptor) != first(&new) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, swapped).await.expect("the new certificate is used");
    fs::remove_file(mounted.folder.path().join("..data")).unwrap();
    sleep(Duration::from_millis(200)).await;
    assert_eq!(shown(&acceptor), first(&new), "files that are gone");
    renewal.abort();
}

#[test]
fn reading_the_same_certificate_again_keeps_its_sessions() {
    let mounted = Mounted::new();
    let acceptor = TlsAcceptor::open(&mounted.options).unwrap();
    let before = acceptor.config();
    mounted.swap("same", &CERTIFICATES.file("server.pem"), &CERTIFICATES.file("server.key"));
    acceptor.reload(&mounted.options).unwrap();
    assert!(Arc::ptr_eq(&before, &acceptor.config()));
    let other =
        TlsOptions { certificate: CERTIFICATES.file("client.pem").into(), key: CERTIFICATES.file("client.key").into() };
    acceptor.reload(&other).unwrap();
    assert!(!Arc::ptr_eq(&before, &acceptor.config()));
    let wrong = TlsOptions { certificate: other.certificate.clone(), key: mounted.options.key };
    assert!(acceptor.reload(&wrong).is_err());
    assert_eq!(shown(&acceptor), first(&other.certificate));
}
