//! A temporary folder.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use super::Account;

/// A folder that is removed on drop, and also where nothing is dropped (statics, a killed test program).
pub(crate) struct Folder {
    path: PathBuf,
    guard: Child,
}

impl Folder {
    /// A new empty folder that belongs to `account`.
    pub(crate) fn new(account: Account) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("sluicegate-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        if let Some((user, group)) = account.ids() {
            std::os::unix::fs::chown(&path, Some(user), Some(group)).unwrap();
        }
        // The guard's input ends with this program.
        let guard = Command::new("sh")
            .args(["-c", "read _; sleep 2; rm -rf \"$1\"", "sh"])
            .arg(&path)
            .stdin(Stdio::piped())
            .process_group_of_its_own()
            .spawn()
            .unwrap();
        Self { path, guard }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of `name` in this folder, as text for a command line.
    pub(crate) fn file(&self, name: &str) -> String {
        self.path.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = self.guard.kill();
        let _ = self.guard.wait();
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Keeps an interrupt from the keyboard away from the guards, which clean up after it.
pub(super) trait OwnGroup {
    fn process_group_of_its_own(&mut self) -> &mut Self;
}

impl OwnGroup for Command {
    fn process_group_of_its_own(&mut self) -> &mut Self {
        std::os::unix::process::CommandExt::process_group(self, 0)
    }
}
