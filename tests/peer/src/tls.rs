//! A throw-away certificate authority and one server certificate, as PEM files and as a rustls config.
//!
//! The authority's key is dropped as soon as the leaf is signed: nothing can be issued with it later.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Names every certificate is good for: the loopback, QEMU's view of the host, and a name for DNS tests.
pub const NAMES: [&str; 5] = ["localhost", "127.0.0.1", "::1", "10.0.2.2", "peer.test"];

/// Files of a certificate in a folder.
pub struct Files {
    /// The authority, for the client's `SSL_CERT_FILE`.
    pub ca: PathBuf,
    leaf: PathBuf,
    key: PathBuf,
}

impl Files {
    /// Uses the certificates in `dir`, so that an image built with its `ca.pem` still trusts them; creates them if missing.
    pub fn at(dir: &Path, more_names: &[String]) -> io::Result<Files> {
        let files =
            Files { ca: dir.join("ca.pem"), leaf: dir.join("leaf.pem"), key: dir.join("leaf.key") };
        if ![&files.ca, &files.leaf, &files.key].iter().all(|f| f.exists()) {
            fs::create_dir_all(dir)?;
            files.make(more_names).map_err(io::Error::other)?;
        }
        Ok(files)
    }

    fn make(&self, more_names: &[String]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut ca = CertificateParams::default();
        valid_for_long(&mut ca, "PicoClaw test authority");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_key = KeyPair::generate()?;
        let ca_cert = ca.self_signed(&ca_key)?;

        let names = NAMES.iter().map(|n| (*n).to_owned()).chain(more_names.iter().cloned());
        let mut leaf = CertificateParams::new(names.collect::<Vec<_>>())?;
        valid_for_long(&mut leaf, "PicoClaw test peer");
        leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        let leaf_key = KeyPair::generate()?;
        let issuer = Issuer::from_params(&ca, &ca_key);
        let leaf_cert = leaf.signed_by(&leaf_key, &issuer)?;

        fs::write(&self.leaf, leaf_cert.pem() + &ca_cert.pem())?;
        fs::write(&self.key, leaf_key.serialize_pem())?;
        fs::write(&self.ca, ca_cert.pem())?;
        Ok(())
    }

    /// The server's configuration: TLS 1.2 and 1.3, no client certificates.
    pub fn server_config(&self) -> io::Result<Arc<rustls::ServerConfig>> {
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_file_iter(&self.leaf).map_err(io::Error::other)?.collect();
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(io::Error::other)?;
        rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .and_then(|b| b.with_no_client_auth().with_single_cert(chain.unwrap_or_default(), key))
            .map(Arc::new)
            .map_err(io::Error::other)
    }
}

// The clock of a board may stand anywhere: the certificate is good from 2020 to 2049.
fn valid_for_long(params: &mut CertificateParams, name: &str) {
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2049, 12, 31);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
}

/// A client's configuration that trusts `ca` and nothing else.
pub fn client_config(ca: &Path) -> io::Result<Arc<rustls::ClientConfig>> {
    let mut roots = rustls::RootCertStore::empty();
    for cert in CertificateDer::pem_file_iter(ca).map_err(io::Error::other)? {
        roots.add(cert.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map(|b| Arc::new(b.with_root_certificates(roots).with_no_client_auth()))
        .map_err(io::Error::other)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The name a client checks: an address or a host name.
pub fn server_name(host: &str) -> io::Result<rustls::pki_types::ServerName<'static>> {
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(ip) => Ok(ip.into()),
        Err(_) => host.to_owned().try_into().map_err(io::Error::other),
    }
}
