//! `picoclaw auth`.

use argh::FromArgs;

/// Sign in with providers, and encrypt secrets for the configuration.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "auth")]
pub struct AuthArgs {
    /// what to do
    #[argh(subcommand)]
    pub command: AuthCommand,
}

/// One `auth` subcommand.
#[derive(FromArgs, Debug)]
#[expect(missing_docs, reason = "the types of the variants describe them")]
#[argh(subcommand)]
pub enum AuthCommand {
    #[cfg(feature = "sign-in")]
    Login(AuthLogin),
    #[cfg(feature = "sign-in")]
    Logout(AuthLogout),
    #[cfg(feature = "sign-in")]
    Status(AuthStatus),
    #[cfg(feature = "encryption")]
    Encrypt(AuthEncrypt),
}

/// Read a secret from standard input and print the enc:// value to put in its place; the passphrase is PICOCLAW_KEY_PASSPHRASE,
/// or asked for.
#[cfg(feature = "encryption")]
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "encrypt")]
pub struct AuthEncrypt {}

/// Sign in with a provider: by a code that is typed in elsewhere (openai), or by a token that is pasted here or piped in.
#[cfg(feature = "sign-in")]
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "login")]
pub struct AuthLogin {
    /// openai, anthropic, ...
    #[argh(option, short = 'p')]
    pub provider: String,
    /// by a code, which is what openai begins with anyway
    #[argh(switch)]
    pub device_code: bool,
    /// by a token
    #[argh(switch)]
    pub token: bool,
    /// by a setup token of Anthropic's, sk-ant-oat01-...
    #[argh(switch)]
    pub setup_token: bool,
}

/// Forget a sign-in, or all.
#[cfg(feature = "sign-in")]
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "logout")]
pub struct AuthLogout {
    /// only this one
    #[argh(option, short = 'p')]
    pub provider: Option<String>,
}

/// List the sign-ins: method, state, account, end.
#[cfg(feature = "sign-in")]
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "status")]
pub struct AuthStatus {
    /// as one JSON object
    #[argh(switch)]
    pub json: bool,
}
