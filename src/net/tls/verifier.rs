//! Verifies a server's identity with rustls's own check (without revocation lists, which we do not have) and a set of
//! roots that exists for one handshake.
//!
//! rustls wants the roots as one list on the heap: of the built-in ones it gets those that the server's certificates name.

use std::sync::Arc;
use std::{fmt, iter};

use futures_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use futures_rustls::rustls::client::{
    verify_server_cert_signed_by_trust_anchor, verify_server_name,
};
use futures_rustls::rustls::crypto::{
    CryptoProvider, verify_tls12_signature, verify_tls13_signature,
};
use futures_rustls::rustls::server::ParsedCertificate;
use futures_rustls::rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls_webpki::EndEntityCert;

use super::roots;

/// Trusts the built-in roots and `extra`.
pub(super) struct Verifier {
    pub(super) extra: Vec<TrustAnchor<'static>>,
    pub(super) provider: Arc<CryptoProvider>,
}

/// rustls asks for it and prints it nowhere; the derived one would bring those of all it holds.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

impl Verifier {
    /// The roots that may have signed one of `certificates`.
    fn roots<'a>(
        &self,
        certificates: impl Iterator<Item = &'a CertificateDer<'a>>,
    ) -> RootCertStore {
        let mut roots = self.extra.clone();
        for certificate in certificates {
            let Ok(parsed) = EndEntityCert::try_from(certificate) else { continue };
            let built_in = roots::named(parsed.issuer());
            // A server may show many certificates of one signer.
            if built_in.first().is_some_and(|root| !roots.contains(root)) {
                roots.extend(built_in);
            }
        }
        RootCertStore { roots }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &self.roots(iter::once(end_entity).chain(intermediates)),
            intermediates,
            now,
            algorithms,
        )?;
        verify_server_name(&certificate, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_rustls::rustls::crypto::ring;
    use rustls_pki_types::pem::PemObject;

    /// A root that many servers have: it names itself as its signer.
    const ISRG_ROOT_X2: &str = "-----BEGIN CERTIFICATE-----
MIICGzCCAaGgAwIBAgIQQdKd0XLq7qeAwSxs6S+HUjAKBggqhkjOPQQDAzBPMQsw
CQYDVQQGEwJVUzEpMCcGA1UEChMgSW50ZXJuZXQgU2VjdXJpdHkgUmVzZWFyY2gg
R3JvdXAxFTATBgNVBAMTDElTUkcgUm9vdCBYMjAeFw0yMDA5MDQwMDAwMDBaFw00
MDA5MTcxNjAwMDBaME8xCzAJBgNVBAYTAlVTMSkwJwYDVQQKEyBJbnRlcm5ldCBT
ZWN1cml0eSBSZXNlYXJjaCBHcm91cDEVMBMGA1UEAxMMSVNSRyBSb290IFgyMHYw
EAYHKoZIzj0CAQYFK4EEACIDYgAEzZvVn4CDCuwJSvMWSj5cz3es3mcFDR0HttwW
+1qLFNvicWDEukWVEYmO6gbf9yoWHKS5xcUy4APgHoIYOIvXRdgKam7mAHf7AlF9
ItgKbppbd9/w+kHsOdx1ymgHDB/qo0IwQDAOBgNVHQ8BAf8EBAMCAQYwDwYDVR0T
AQH/BAUwAwEB/zAdBgNVHQ4EFgQUfEKWrt5LSDv6kviejM9ti6lyN5UwCgYIKoZI
zj0EAwMDaAAwZQIwe3lORlCEwkSHRhtFcP9Ymd70/aTSVaYgLXTWNLxBo1BfASdW
tL4ndQavEi51mI38AjEAi/V3bNTIZargCyzuFJ0nN6T5U6VR5CmD1/iQMVtCnwr1
/q4AaOeMSQ+2b1tbFfLn
-----END CERTIFICATE-----";

    #[test]
    fn a_root_is_found_by_the_certificates_that_name_it() {
        let verifier = Verifier { extra: Vec::new(), provider: Arc::new(ring::default_provider()) };
        let shown = CertificateDer::from_pem_slice(ISRG_ROOT_X2.as_bytes()).expect("PEM");
        let roots = |shown: &[CertificateDer<'_>]| verifier.roots(shown.iter()).roots;
        let found = roots(&[shown.clone(), shown.clone()]);
        // Once, however many name it; as the list of all of them would have held it.
        assert_eq!(found.len(), 1);
        assert!(webpki_roots::TLS_SERVER_ROOTS.contains(&found[0]));
        // And as rustls makes it of the certificate itself.
        let mut known = RootCertStore::empty();
        known.add(shown).expect("a root");
        assert_eq!(found, known.roots);
        assert!(roots(&[CertificateDer::from_slice(b"no certificate")]).is_empty());
    }
}
