//! A view: an HTTP server that answers as a test says, and keeps what it was asked.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// One question, as it came.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// The request line and the headers, in lower case.
    pub(super) head: String,
    pub(super) body: String,
}

pub(super) struct FakeView {
    pub(super) port: u16,
    asked: Arc<Mutex<Vec<Question>>>,
}

impl FakeView {
    /// Answers the n-th question with `answer(n)`: a whole answer, or none and the connection ends.
    pub(super) async fn start(answer: impl Fn(usize) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<Vec<Question>>> = Arc::default();
        let view = Self { port, asked: Arc::clone(&asked) };
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    while let Some(question) = read(&mut stream).await {
                        let number = {
                            let mut asked = asked.lock().unwrap();
                            asked.push(question);
                            asked.len() - 1
                        };
                        let Some(answer) = answer(number) else { return };
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        view
    }

    pub(super) fn asked(&self) -> Vec<Question> {
        self.asked.lock().unwrap().clone()
    }

    /// Waits until it was asked that often.
    pub(super) async fn asked_times(&self, times: usize) -> Vec<Question> {
        for _ in 0..1000 {
            if self.asked().len() >= times {
                return self.asked();
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("asked {} times, not {times}", self.asked().len());
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Question> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line.to_lowercase());
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.trim().parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Question { head, body: String::from_utf8(body).unwrap() })
}

pub(super) fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[expect(clippy::unnecessary_wraps, reason = "the other answer is none at all")]
pub(super) fn ok(body: &str) -> Option<String> {
    Some(answer("200 OK", body))
}
