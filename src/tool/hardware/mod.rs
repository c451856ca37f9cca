//! i2c, spi, serial, gpio and board: the tools for what is connected to the board.
//!
//! A call is parsed and validated, checked against the board's facts, approved if it writes, and only then executed,
//! on its own thread ([`worker`]). No argument counts as a person's yes.

pub mod board;
mod error;
pub mod facts;
mod gpio;
mod i2c;
mod job;
pub mod serial;
mod spi;
mod worker;

pub use board::BOARD;
pub use gpio::GPIO;
pub use i2c::I2C;
pub use serial::SERIAL;
pub use spi::SPI;

#[cfg(test)]
mod tests;
