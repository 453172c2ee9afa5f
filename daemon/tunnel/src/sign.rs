//! The signature of the upgrade, made afresh for each dial.
//!
//! Since plugin 1.2.764.0 the service wants OpenDataChannel signed: SigV4, service `ssmmessages`, a GET with an empty
//! body. It is made over a bare request, so that only `host`, `x-amz-date` and `x-amz-security-token` are signed and the
//! websocket's own headers are not.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SigningError, SigningSettings, sign as sign_request,
};
use aws_sigv4::sign::v4;
use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;

use crate::address::Address;
use crate::grant::Keys;

/// The headers to add to the upgrade of `address`, for `keys` in `region` at the time `at`.
pub(crate) fn sign(
    address: &Address,
    keys: &Keys,
    region: &str,
    at: SystemTime,
) -> Result<HeaderMap, Unsignable> {
    let identity = Credentials::new(
        &keys.access_key_id,
        &keys.secret_access_key,
        keys.session_token.clone(),
        None,
        "grant",
    )
    .into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(SERVICE)
        .time(at)
        .settings(SigningSettings::default())
        .build()
        .expect("every parameter is given")
        .into();
    let request = SignableRequest::new(
        "GET",
        address.uri.to_string(),
        [("host", address.authority())].into_iter(),
        SignableBody::empty(),
    )?;
    let (instructions, _signature) = sign_request(request, &params)?.into_parts();
    let (signed, _query) = instructions.into_parts();
    let mut headers = HeaderMap::new();
    for header in signed {
        let mut value = HeaderValue::from_str(header.value())?;
        value.set_sensitive(header.sensitive());
        headers.insert(HeaderName::from_static(header.name()), value);
    }
    Ok(headers)
}

/// Why an upgrade could not be signed.
#[derive(Debug, Error)]
pub enum Unsignable {
    /// The signer would not take the request.
    #[error("computing the signature")]
    Request(#[from] SigningError),
    /// The keys hold what no header may.
    #[error("the keys in a header")]
    Keys(#[from] InvalidHeaderValue),
}

/// The service that the signature is for.
const SERVICE: &str = "ssmmessages";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// 2015-08-30T12:36:00Z, the day of AWS's own examples.
    const AT: Duration = Duration::from_secs(1_440_938_160);

    const SERVICE_URL: &str = "wss://ssmmessages.ap-northeast-1.amazonaws.com/v1/data-channel/me-0abc?role=publish_subscribe";

    fn headers(url: &str, session_token: Option<&str>) -> HeaderMap {
        let address = Address::check(url, "ap-northeast-1", &[]).unwrap();
        let keys = Keys {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session_token: session_token.map(Into::into),
        };
        sign(&address, &keys, "ap-northeast-1", SystemTime::UNIX_EPOCH + AT).unwrap()
    }

    fn authorization(signed: &str, signature: &str) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/ap-northeast-1/ssmmessages/aws4_request, \
             SignedHeaders={signed}, Signature={signature}"
        )
    }

    // The three signatures were computed with botocore's SigV4Auth for the same request and time.

    #[test]
    fn an_upgrade_is_signed_over_host_and_date_alone() {
        let headers = headers(SERVICE_URL, None);

        assert_eq!(headers.len(), 2);
        assert_eq!(headers["x-amz-date"], "20150830T123600Z");
        assert_eq!(
            headers["authorization"],
            authorization(
                "host;x-amz-date",
                "7b5b5777ce580da116a6aed5007eccd77db162ca0fea0e1d496aa9449a08be3b"
            )
        );
    }

    #[test]
    fn temporary_credentials_sign_their_token_too() {
        let headers = headers(SERVICE_URL, Some("TOKEN/+="));

        assert_eq!(headers.len(), 3);
        assert_eq!(headers["x-amz-security-token"], "TOKEN/+=");
        assert_eq!(
            headers["authorization"],
            authorization(
                "host;x-amz-date;x-amz-security-token",
                "4ed501b2920dcdfc431dde160b8b6ff1768c9458b57cf2e1b10b24ca65c99edf"
            )
        );
    }

    #[test]
    fn an_unusual_port_is_part_of_the_signed_host_and_an_escape_is_escaped_again() {
        let url =
            "ws://127.0.0.1:4566/v1/data-channel/me%40example.com-0abc?role=publish_subscribe";

        assert_eq!(
            headers(url, None)["authorization"],
            authorization(
                "host;x-amz-date",
                "6ee50314705976b8b759c509f5be51f6cb33abe5b534bf0158def56db5ab4d66"
            )
        );
    }

    #[test]
    fn a_secret_header_does_not_print() {
        let printed = format!("{:?}", headers(SERVICE_URL, Some("HIDE-ME")));

        assert!(!printed.contains("HIDE-ME"), "{printed}");
    }

    #[test]
    fn keys_that_would_break_out_of_their_header_are_refused() {
        let address = Address::check(SERVICE_URL, "ap-northeast-1", &[]).unwrap();
        let keys = Keys {
            access_key_id: "AKID\r\nX-Evil: 1".into(),
            secret_access_key: "s".into(),
            session_token: None,
        };

        let refused = sign(&address, &keys, "ap-northeast-1", SystemTime::UNIX_EPOCH + AT);

        assert!(matches!(refused, Err(Unsignable::Keys(_))));
    }
}
