//! Who a server is: rustls's own check (without lists of revoked certificates, which nobody gives us), with a set of
//! roots that lives for one handshake.
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
