//! `picoclaw auth encrypt`, and the key for `onboard --enc`.

use std::io::IsTerminal;

use super::secret::secret;
use crate::config::{LoadOptions, enc};
use crate::error::{Error, Result};
use crate::sys::files;

/// Prints the `enc://` value of a secret.
pub fn run(options: &LoadOptions) -> Result<()> {
    let keys = keys(options)?;
    let plain = secret("Secret: ")?;
    make_file(&keys)?;
    println!("{}", keys.encrypt(&plain)?);
    Ok(())
}

/// What encrypts: the passphrase of the environment, or one that is typed twice.
///
/// # Errors
/// None of them, or two that differ.
pub fn keys(options: &LoadOptions) -> Result<enc::Keys> {
    let mut keys = enc::Keys::of(options);
    if keys.passphrase.is_empty() {
        if !std::io::stdin().is_terminal() {
            return Err(Error::new(format!("{} is not set", enc::PASSPHRASE)));
        }
        keys.passphrase = secret("Passphrase: ")?;
        if secret("Again: ")? != keys.passphrase {
            return Err(Error::new("the two differ"));
        }
        eprintln!("The gateway needs it in {}.", enc::PASSPHRASE);
    }
    Ok(keys)
}

/// Makes the key file where there is none; root makes it for the daemon.
///
/// # Errors
/// The disk's.
pub fn make_file(keys: &enc::Keys) -> Result<()> {
    if keys.make_file()? {
        if let Some(folder) = keys.file.parent() {
            files::give_to_folder_owner(folder)?;
        }
        files::give_to_folder_owner(&keys.file)?;
        eprintln!(
            "Made the key file {}; without it nothing can be decrypted.",
            keys.file.display()
        );
    }
    Ok(())
}
