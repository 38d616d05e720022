//! Certificates of an authority of the tests' own.

use std::process::Command;

use super::{Account, Folder, program, stdout};

/// `ca.pem`, and `server` and `client` certificates of it (`.pem`, `.key`), in a folder.
pub(crate) struct Certificates(Folder);

impl Certificates {
    /// The server's certificate names `name` (as `DNS:localhost`), the client's `client`. The files belong to `account`.
    pub(crate) fn new(account: Account, name: &str, client: &str) -> Self {
        let made = Self(Folder::new(account));
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        made.openssl(&format!("req -x509 {key} -days 2 -subj /CN=authority -keyout ca.key -out ca.pem"));
        for (file, subject, extension) in
            [("server", "server", format!("subjectAltName={name}")), ("client", client, String::new())]
        {
            std::fs::write(made.0.file("extension"), format!("basicConstraints=CA:FALSE\n{extension}\n")).unwrap();
            made.openssl(&format!("req {key} -subj /CN={subject} -keyout {file}.key -out {file}.csr"));
            made.openssl(&format!(
                "x509 -req -in {file}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extension -out {file}.pem"
            ));
        }
        if let Some((user, group)) = account.ids() {
            for file in std::fs::read_dir(made.0.path()).unwrap() {
                std::os::unix::fs::chown(file.unwrap().path(), Some(user), Some(group)).unwrap();
            }
        }
        made
    }

    /// The path of one of the files.
    pub(crate) fn file(&self, name: &str) -> String {
        self.0.file(name)
    }

    fn openssl(&self, command: &str) {
        stdout(Command::new(program("openssl")).args(command.split(' ')).current_dir(self.0.path()));
    }
}
