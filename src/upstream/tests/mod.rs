//! What is seen from both sides: servers and clients that read and write bytes.

mod servers;
