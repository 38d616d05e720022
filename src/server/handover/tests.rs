use std::{fs, net, os::unix::fs::PermissionsExt, path::PathBuf, time::Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    task::JoinHandle,
    time::timeout,
};

use super::{take::take_as, *};
use crate::test_support::{Account, Folder};

struct Old {
    folder: Folder,
    address: net::SocketAddr,
    task: JoinHandle<Option<u32>>,
}

fn offer(admin: bool, are_kept: bool) -> (Offer, net::SocketAddr) {
    let main = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = main.local_addr().unwrap();
    let admin = admin.then(|| net::TcpListener::bind("127.0.0.1:0").unwrap().into());
    (Offer { main: main.into(), admin, are_kept }, address)
}

impl Old {
    fn new(admin: bool, are_kept: bool) -> Self {
        let folder = Folder::new(Account::Own);
        let (offer, address) = offer(admin, are_kept);
        let mut handover = Handover::bind(&folder.path().join("handover")).unwrap();
        handover.place().unwrap();
        let task = tokio::spawn(async move { handover.hand_over(&offer).await });
        Self { folder, address, task }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("handover")
    }
}

#[tokio::test]
async fn the_sockets_go_over_and_the_old_process_hears_that_they_are_served() {
    for (admin, are_kept) in [(false, false), (true, false), (true, true)] {
        let old = Old::new(admin, are_kept);
        let (given, takeover) = take(&old.path()).await.unwrap().expect("a process is there");
        assert_eq!((given.admin.is_some(), given.are_kept), (admin, are_kept));
        let main = given.main.unwrap();
        assert_eq!(main.local_addr().unwrap(), old.address);
        let flags = rustix::io::fcntl_getfd(&main).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC), "the project's Python does not inherit it");
        assert!(!old.task.is_finished(), "it serves until the new one does");
        takeover.confirm().await;
        assert_eq!(old.task.await.unwrap(), Some(std::process::id()));
        let client = net::TcpStream::connect(old.address).unwrap();
        assert_eq!(main.accept().unwrap().1, client.local_addr().unwrap());
    }
}

#[tokio::test]
async fn a_new_process_that_ends_before_it_serves_changes_nothing() {
    let old = Old::new(false, false);
    for _ in 0..3 {
        drop(take(&old.path()).await.unwrap().unwrap());
    }
    assert!(!old.task.is_finished());
    let (_, takeover) = take(&old.path()).await.unwrap().unwrap();
    takeover.confirm().await;
    assert!(old.task.await.unwrap().is_some());
}

#[tokio::test]
async fn garbage_and_silence_do_no_harm() {
    let old = Old::new(false, false);
    let begun = Instant::now();
    let silent = UnixStream::connect(old.path()).await.unwrap();
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\n", b"sluicegate: hand over, version 2\n", &[0xff; 4096]] {
        let mut stream = UnixStream::connect(old.path()).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
        assert_eq!(answer, b"");
    }
    let mut wrong = UnixStream::connect(old.path()).await.unwrap();
    wrong.write_all(b"sluicegate: hand over, version 1\nsomething else\n").await.unwrap();
    let (_, takeover) = take(&old.path()).await.unwrap().unwrap();
    assert!(begun.elapsed() < GREETING * 3, "{:?}", begun.elapsed());
    takeover.confirm().await;
    assert!(old.task.await.unwrap().is_some());
    drop(silent);
}

#[tokio::test]
async fn a_process_of_another_user_gets_nothing_and_is_not_trusted() {
    let user = rustix::process::geteuid().as_raw();
    let old = Old::new(false, false);
    let refused = take_as(&old.path(), user + 1).await.unwrap_err();
    assert!(matches!(refused, HandoverError::OtherUser { user: found, .. } if found == user), "{refused}");
    assert!(!old.task.is_finished());
    let folder = Folder::new(Account::Own);
    let path = folder.path().join("handover");
    let (offer, _) = offer(false, false);
    let mut handover = Handover::bind(&path).unwrap();
    handover.place().unwrap();
    handover.user = user + 1;
    let task = tokio::spawn(async move { handover.hand_over(&offer).await });
    let refused = take(&path).await.unwrap_err();
    assert!(matches!(refused, HandoverError::Broken { .. }), "{refused}");
    assert!(!task.is_finished());
    task.abort();
}

#[tokio::test]
async fn the_socket_is_its_users_alone_and_goes_with_the_process() {
    let folder = Folder::new(Account::Own);
    let path = folder.path().join("handover");
    let mut first = Handover::bind(&path).unwrap();
    assert!(!path.exists(), "it is not there before the process serves");
    first.place().unwrap();
    assert_eq!(fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut second = Handover::bind(&path).unwrap();
    second.place().unwrap();
    drop(first);
    assert!(path.exists(), "it is the second one's by now");
    drop(second);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    drop(Handover::bind(&path).unwrap());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nor where it was never put in its place");
}

#[tokio::test]
async fn what_a_dead_process_left_is_nobody_and_what_is_no_socket_is_an_error() {
    let folder = Folder::new(Account::Own);
    let path = folder.path().join("handover");
    assert!(take(&path).await.unwrap().is_none());
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    assert!(take(&path).await.unwrap().is_none());
    let mut handover = Handover::bind(&path).unwrap();
    handover.place().unwrap();
    drop(handover);
    fs::write(&path, "").unwrap();
    assert!(matches!(take(&path).await.unwrap_err(), HandoverError::NotASocket(_)));
    let nowhere = folder.path().join("nowhere/handover");
    assert!(take(&nowhere).await.unwrap().is_none());
    assert!(Handover::bind(&nowhere).is_err());
}

#[tokio::test]
async fn what_is_no_answer_is_an_error() {
    let folder = Folder::new(Account::Own);
    for (index, answer) in ["hello\n", "listeners main\n", "listeners", "listeners something\n"].into_iter().enumerate()
    {
        let path = folder.path().join(index.to_string());
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
        let refused = take(&path).await.unwrap_err();
        assert!(matches!(refused, HandoverError::Broken { .. }), "{answer}: {refused}");
    }
}
