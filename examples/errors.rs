//! How a conversation ends: refusals, close codes, errors and a panic, each at `ws/errors/<str:kind>/` or by a frame.
//!
//! ```text
//! cargo run --example errors -- --django mysite.asgi:application
//! ```
//!
//! | | what the client sees |
//! |---|---|
//! | `ws/errors/deny/` | 403, as after `raise DenyConnection()` |
//! | `ws/errors/close-4001/` | 403; with `[websocket] refuse = "close"` an open socket that is closed with 4001 |
//! | `ws/errors/fail/` | 500, as after an exception in `connect` |
//! | `ws/errors/open/`, then a text | |
//! | `"close"` | 1000 |
//! | `"close 4002 why"` | 4002 with a reason |
//! | `"close 1006"` | 1011: a code that must not be sent is a fault of the consumer's |
//! | `"number x"` | 1011: any error by `?` |
//! | `"panic"` | 1011, and nobody else notices |
//! | anything else | the same text |

use std::process::ExitCode;

use sluicegate::{
    async_trait,
    consumer::{Close, Connection, Consumer, ConsumerError, Frame, Route},
};

struct Errors;

#[async_trait]
impl Consumer for Errors {
    async fn connect(&mut self, connection: &mut Connection) -> Result<(), ConsumerError> {
        match connection.kwarg("kind").as_deref() {
            Some("deny") => Err(ConsumerError::deny()),
            Some("close-4001") => Err(ConsumerError::close(4001, "not today")),
            Some("fail") => Err(std::io::Error::other("the disk is full").into()),
            _ => Ok(()),
        }
    }

    async fn receive(&mut self, frame: Frame, connection: &mut Connection) -> Result<(), ConsumerError> {
        let Frame::Text(text) = frame else { return Err(ConsumerError::close(1003, "text only")) };
        match text.splitn(3, ' ').collect::<Vec<_>>()[..] {
            ["close"] => connection.close(Close::default()),
            ["close", code] => return Err(ConsumerError::close(code.parse()?, "")),
            ["close", code, reason] => return Err(ConsumerError::close(code.parse()?, reason)),
            ["number", digits] => connection.send_text(&digits.parse::<u32>()?.to_string()),
            ["panic"] => panic!("as asked for"),
            _ => connection.send_text(&text),
        }
        Ok(())
    }

    async fn disconnect(&mut self, code: u16, _connection: &mut Connection) {
        eprintln!("disconnected with {code}");
    }
}

fn main() -> ExitCode {
    sluicegate::cli::main_with([Route::path("ws/errors/<str:kind>/", || Errors).without_channels()])
}
