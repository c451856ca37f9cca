//! TLS 1.2 and 1.3: which roots are trusted, and whether the clock is good enough to verify certificates.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_rustls::rustls::client::Resumption;
use futures_rustls::rustls::crypto::{CryptoProvider, KeyProvider, ring};
use futures_rustls::rustls::sign::SigningKey;
use futures_rustls::rustls::{ClientConfig, Error as TlsError, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, TrustAnchor};

use self::sessions::TlsSessionCache;
use self::verifier::Verifier;
use crate::error::Context;
use crate::limits::{TLS_CERT_FILE_BYTES, TLS_EXTRA_ROOTS};
use crate::sys::board::BUILD_TIME;
use crate::{Error, Result};

mod roots;
mod sessions;
mod verifier;

/// Whether the clock is past the build date. A board without a battery starts in 1970, and no
/// certificate is valid there: https waits until SNTP has set the clock.
pub fn clock_is_set() -> bool {
    is_past_build(SystemTime::now())
}

fn is_past_build(now: SystemTime) -> bool {
    now >= UNIX_EPOCH + Duration::from_secs(BUILD_TIME)
}

/// The configuration all connections share: the built-in roots and those of `cert_file` (PEM).
/// An error names the file.
pub(super) fn config(cert_file: Option<&Path>) -> Result<Arc<ClientConfig>> {
    let mut extra = Vec::new();
    if let Some(path) = cert_file {
        extra = extra_roots(path).with_context(|| format!("SSL_CERT_FILE {}", path.display()))?;
    }
    // We never sign: the signers of a server or of a client's certificate would be 30 kB of the program.
    let mut provider = CryptoProvider { key_provider: &NoKeys, ..ring::default_provider() };
    if !cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
        // Without AES instructions ChaCha20 is several times faster, and servers follow this order.
        let suites = provider.cipher_suites.into_iter();
        let (mut first, others): (Vec<_>, Vec<_>) = suites.partition(|s| is_chacha(s.suite()));
        first.extend(others);
        provider.cipher_suites = first;
    }
    let provider = Arc::new(provider);
    let verifier = Arc::new(Verifier { extra, provider: provider.clone() });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("TLS")?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.resumption = Resumption::store(Arc::new(TlsSessionCache::default()));
    Ok(Arc::new(config))
}

/// Holds no private keys.
#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(
        &self,
        _: PrivateKeyDer<'static>,
    ) -> std::result::Result<Arc<dyn SigningKey>, TlsError> {
        Err(TlsError::General("no private keys here".into()))
    }
}

fn is_chacha(suite: futures_rustls::rustls::CipherSuite) -> bool {
    use futures_rustls::rustls::CipherSuite as Suite;
    matches!(
        suite,
        Suite::TLS13_CHACHA20_POLY1305_SHA256
            | Suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
            | Suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    )
}

/// The certificates of a PEM file that are not built in.
fn extra_roots(path: &Path) -> Result<Vec<TrustAnchor<'static>>> {
    let file = File::open(path)?;
    let mut roots = RootCertStore::empty();
    let (mut found, mut usable, mut refused) = (0, 0, None);
    for certificate in CertificateDer::pem_reader_iter(file.take(TLS_CERT_FILE_BYTES)) {
        let certificate = certificate.map_err(|e| Error::new(format!("not PEM: {e}")))?;
        found += 1;
        // Old bundles hold a few roots that no longer parse; the others are as good as before.
        if let Err(e) = roots.add(certificate) {
            refused = Some(e);
            continue;
        }
        usable += 1;
        let known = roots.roots.split_last().is_some_and(|(new, old)| {
            old.contains(new) || roots::named(&new.subject).contains(new)
        });
        if known {
            roots.roots.pop();
        }
        if roots.roots.len() > TLS_EXTRA_ROOTS {
            return Err(Error::new("too many certificates"));
        }
    }
    match refused {
        None if found == 0 => Err(Error::new("no certificate in it")),
        Some(e) if usable == 0 => Err(Error::new(format!("no usable certificate in it: {e}"))),
        _ => Ok(roots.roots),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_the_supervisor_lifts_the_clock_to_is_good_enough() {
        let lifted = UNIX_EPOCH + Duration::from_secs(BUILD_TIME);
        assert!(is_past_build(lifted) && !is_past_build(lifted - Duration::from_secs(1)));
        // The program's own date: not that of an older one, nor one to come.
        assert!(clock_is_set());
        assert_eq!(env!("PICOCLAW_BUILD_EPOCH"), BUILD_TIME.to_string());
    }
}
