//! TLS 1.2 and 1.3: which roots are trusted, and whether the clock is good enough to judge by.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_rustls::rustls::client::Resumption;
use futures_rustls::rustls::crypto::ring;
use futures_rustls::rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::error::Context;
use crate::limits::{TLS_CERT_FILE_BYTES, TLS_EXTRA_ROOTS, TLS_SESSIONS};
use crate::{Error, Result};

/// When this program was built, seconds since 1970 (`SOURCE_DATE_EPOCH` where it was set).
pub fn build_epoch() -> u64 {
    const EPOCH: &str = env!("PICOCLAW_BUILD_EPOCH");
    EPOCH.parse().unwrap_or(0)
}

/// Whether the clock is past the build date. A board without a battery starts in 1970, and no
/// certificate is valid there: https waits until SNTP has set the clock.
pub fn clock_is_set() -> bool {
    SystemTime::now() >= UNIX_EPOCH + Duration::from_secs(build_epoch())
}

/// The configuration all connections share: the built-in roots and those of `cert_file` (PEM).
/// An error names the file.
pub(super) fn config(cert_file: Option<&Path>) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = cert_file {
        add_roots(&mut roots, path).with_context(|| format!("SSL_CERT_FILE {}", path.display()))?;
    }
    let mut provider = ring::default_provider();
    if !cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
        // Without AES instructions ChaCha20 is several times faster, and servers follow this order.
        provider.cipher_suites.sort_by_key(|s| !is_chacha(s.suite()));
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .context("TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(TLS_SESSIONS);
    Ok(Arc::new(config))
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

/// Adds the certificates of a PEM file; those built in already cost nothing twice.
fn add_roots(roots: &mut RootCertStore, path: &Path) -> Result<()> {
    let file = File::open(path)?;
    let built_in = roots.roots.len();
    let (mut found, mut refused) = (0, None);
    for certificate in CertificateDer::pem_reader_iter(file.take(TLS_CERT_FILE_BYTES)) {
        let certificate = certificate.map_err(|e| Error::new(format!("not PEM: {e}")))?;
        found += 1;
        // Old bundles hold a few roots that no longer parse; the others are as good as before.
        if let Err(e) = roots.add(certificate) {
            refused = Some(e);
            continue;
        }
        let known = roots.roots.split_last().is_some_and(|(new, old)| old.contains(new));
        if known {
            roots.roots.pop();
        }
        if roots.roots.len() > built_in + TLS_EXTRA_ROOTS {
            return Err(Error::new("too many certificates"));
        }
    }
    match refused {
        None if found == 0 => Err(Error::new("no certificate in it")),
        Some(e) if roots.roots.len() == built_in => {
            Err(Error::new(format!("no usable certificate in it: {e}")))
        }
        _ => Ok(()),
    }
}
