//! Returns each frame as it came, text and binary, at `ws/echo/`.
//!
//! ```text
//! cargo run --example echo -- --django mysite.asgi:application
//! ```

use std::process::ExitCode;

use sluicegate::{
    async_trait,
    consumer::{Connection, Consumer, ConsumerError, Frame, Route},
};

struct Echo;

#[async_trait]
impl Consumer for Echo {
    async fn receive(&mut self, frame: Frame, connection: &mut Connection) -> Result<(), ConsumerError> {
        connection.send(frame);
        Ok(())
    }
}

fn main() -> ExitCode {
    sluicegate::cli::main_with([Route::path("ws/echo/", || Echo).without_channels()])
}
