use std::{fs, process::Command};

use super::*;
use crate::{
    test_support::{Folder, program, stdout},
    tls::{Identity, IdentityError},
};

/// A folder to make keys and certificates in.
struct Files(Folder);

impl Files {
    fn new() -> Self {
        Self(Folder::new(Account::Own))
    }

    fn openssl(&self, command: &str) -> &Self {
        stdout(Command::new(program("openssl")).args(command.split(' ')).current_dir(self.0.path()));
        self
    }

    /// `NAME.pem` signed by itself, for `NAME.key`, made by these options of `openssl req`.
    fn certificate(&self, name: &str, options: &str) -> &Self {
        self.openssl(&format!("req -x509 -nodes -subj /CN={name} -keyout {name}.key -out {name}.pem {options}"))
    }

    fn read(&self, certificate: &str, key: &str) -> Result<Identity, IdentityError> {
        let file = |name| self.0.path().join(name);
        Identity::read(&TlsOptions { certificate: file(certificate), key: file(key) })
    }

    /// What is wrong, without the folder.
    fn problem(&self, certificate: &str, key: &str) -> String {
        let error = self.read(certificate, key).unwrap_err();
        assert!(!error.mend().is_empty());
        error.to_string().replace(&format!("{}/", self.0.path().display()), "")
    }
}

const EC: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 2";

#[test]
fn keys_of_every_usual_kind_and_form_are_read() {
    let files = Files::new();
    for (name, options) in [
        ("p256", EC),
        ("p384", "-newkey ec -pkeyopt ec_paramgen_curve:P-384"),
        ("ed25519", "-newkey ed25519"),
        ("rsa", "-newkey rsa:2048"),
    ] {
        files.certificate(name, options);
        files.read(&format!("{name}.pem"), &format!("{name}.key")).unwrap();
    }
    files.openssl("ec -in p256.key -out sec1.key").openssl("rsa -in rsa.key -traditional -out pkcs1.key");
    for (certificate, key, mark) in
        [("p256.pem", "sec1.key", "EC PRIVATE KEY"), ("rsa.pem", "pkcs1.key", "RSA PRIVATE")]
    {
        assert!(fs::read_to_string(files.0.file(key)).unwrap().contains(mark));
        files.read(certificate, key).unwrap();
    }
    let both = [fs::read(files.0.file("p256.key")).unwrap(), fs::read(files.0.file("p256.pem")).unwrap()].concat();
    fs::write(files.0.file("both.pem"), both).unwrap();
    files.read("both.pem", "both.pem").unwrap();
}

#[test]
fn what_is_wrong_with_the_files_is_said_with_the_file() {
    let files = Files::new();
    files.certificate("one", EC).certificate("two", EC);
    files.openssl("pkcs8 -topk8 -in one.key -passout pass:secret -out locked.key");
    fs::write(files.0.file("empty.pem"), "").unwrap();
    fs::write(files.0.file("broken.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let of = |name: &str| fs::read_to_string(files.0.file(name)).unwrap();
    fs::write(files.0.file("chain.pem"), of("two.pem") + &of("one.pem")).unwrap();
    for (certificate, key, expected) in [
        ("none.pem", "one.key", "none.pem cannot be read: No such file"),
        ("one.pem", "none.key", "none.key cannot be read: No such file"),
        ("empty.pem", "one.key", "there is no certificate in empty.pem"),
        ("one.key", "one.key", "there is no certificate in one.key"),
        ("broken.pem", "one.key", "broken.pem holds no certificate that can be read"),
        ("one.pem", "empty.pem", "there is no private key in empty.pem"),
        ("one.pem", "one.pem", "there is no private key in one.pem"),
        ("one.pem", "locked.key", "the private key in locked.key is locked with a passphrase"),
        ("one.pem", "two.key", "the private key in two.key is not that of the first certificate in one.pem"),
        ("chain.pem", "one.key", "not that of the first certificate in chain.pem, but of number 2 there"),
    ] {
        let said = files.problem(certificate, key);
        assert!(said.contains(expected), "{certificate} {key}: {said}");
    }
    assert!(!files.problem("one.pem", "two.key").contains("number"), "there is no other that fits");
}

#[test]
fn names_and_times_are_read_from_the_certificate() {
    let files = Files::new();
    files.certificate(
        "site",
        &format!(
            "{EC} -addext subjectAltName=DNS:example.com,DNS:*.example.com,IP:10.0.0.1,IP:::1,email:a@example.com"
        ),
    );
    files.certificate("nameless", EC);
    let site = files.read("site.pem", "site.key").unwrap();
    assert_eq!(site.described.names, ["example.com", "*.example.com", "10.0.0.1", "::1"]);
    let lasts = site.described.not_after.as_second() - site.described.not_before.as_second();
    assert_eq!(lasts, 2 * 24 * 3600);
    let until = site.described.not_after;
    assert_eq!(site.to_string(), format!("for example.com, *.example.com, 10.0.0.1, ::1, until {until}"));
    assert!(files.read("nameless.pem", "nameless.key").unwrap().to_string().starts_with("for no name, until "));
    assert!(!format!("{site:?}").contains("PrivateKey"), "{site:?}");
    assert_eq!(site.fault(site.described.not_before), None);
    assert!(site.fault(until).unwrap().contains("has expired"));
    let before = site.described.not_before - jiff::Span::new().seconds(1);
    assert!(site.fault(before).unwrap().contains("is good from"));
    let left = |hours: i64| site.ends_soon(until - jiff::SignedDuration::from_hours(hours));
    assert_eq!(left(13), None, "of two days the last quarter is soon");
    assert!(left(11).unwrap().contains("in 11 h"));
    assert_eq!(left(0), None, "it has ended");
}
