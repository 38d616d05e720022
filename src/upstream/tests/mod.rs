//! What is seen from both sides: servers and clients that read and write bytes.

mod headers;
mod servers;
