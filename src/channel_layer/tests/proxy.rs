//! A way to Redis that can be broken.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// Passes bytes on to a server.
pub(in super::super) struct Proxy {
    port: u16,
    faults: Arc<Faults>,
}

#[derive(Default)]
struct Faults {
    cuts: Mutex<Vec<Cut>>,
    /// Connections with lower numbers pass nothing on.
    frozen: AtomicU64,
    connections: AtomicU64,
}

/// A connection ends with a command that contains a word.
struct Cut {
    word: &'static str,
    /// How many of them pass before.
    after: usize,
    /// Whether the server still gets it, and only its answer is lost.
    is_executed: bool,
}

impl Proxy {
    pub(in super::super) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, faults) = (listener.local_addr().unwrap().port(), Arc::new(Faults::default()));
        let shared = Arc::clone(&faults);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(pass(
                    client,
                    TcpStream::connect(("127.0.0.1", server)).await.unwrap(),
                    shared.clone(),
                    number,
                ));
            }
        });
        Self { port, faults }
    }

    pub(in super::super) fn port(&self) -> u16 {
        self.port
    }

    /// Connections that are open now stay so, and pass nothing on any more.
    pub(in super::super) fn freeze(&self) {
        self.faults.frozen.store(self.faults.connections.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Cuts a connection once at a command with `word`, of which `after` pass before.
    pub(in super::super) fn cut(&self, word: &'static str, after: usize, is_executed: bool) {
        self.faults.cuts.lock().unwrap().push(Cut { word, after, is_executed });
    }
}

async fn pass(mut client: TcpStream, mut server: TcpStream, faults: Arc<Faults>, number: u64) {
    let (mut from_client, mut from_server) = (vec![0; 65536], vec![0; 65536]);
    let is_frozen = || number < faults.frozen.load(Ordering::SeqCst);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(length @ 1..) = read else { return };
                let cut = faults.cut(&from_client[..length]);
                if cut == Some(false) {
                    return;
                }
                if !is_frozen() {
                    server.write_all(&from_client[..length]).await.unwrap();
                }
                if cut == Some(true) {
                    let _ = server.read(&mut from_server).await;
                    return;
                }
            }
            read = server.read(&mut from_server) => {
                let Ok(length @ 1..) = read else { return };
                if !is_frozen() && client.write_all(&from_server[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}

impl Faults {
    /// Whether the connection is to be cut, and then whether the server still gets the command.
    fn cut(&self, bytes: &[u8]) -> Option<bool> {
        let mut cuts = self.cuts.lock().unwrap();
        let place =
            cuts.iter().position(|cut| bytes.windows(cut.word.len()).any(|word| word == cut.word.as_bytes()))?;
        if cuts[place].after > 0 {
            cuts[place].after -= 1;
            return None;
        }
        Some(cuts.remove(place).is_executed)
    }
}
