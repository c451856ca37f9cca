//! What somebody does who can write to the workspace, or who shares the machine, and does not get by it.

mod attempts;
mod chain;
mod commands;
mod forged;
pub mod mechanisms;
mod names;
mod races;
mod root;
mod routes;
mod state;
