//! `picoclaw auth`.

use argh::FromArgs;

/// Secrets: encrypt values for the configuration.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "auth")]
pub struct Auth {
    /// what to do
    #[argh(subcommand)]
    pub command: AuthCommand,
}

/// One `auth` subcommand.
#[derive(FromArgs, Debug)]
#[argh(subcommand)]
pub enum AuthCommand {
    /// See the type.
    Encrypt(AuthEncrypt),
}

/// Read a secret from standard input and print the enc:// value to put in its place; the passphrase is PICOCLAW_KEY_PASSPHRASE,
/// or asked for.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "encrypt")]
pub struct AuthEncrypt {}
