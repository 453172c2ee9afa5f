//! Where a data channel may be dialed: the token goes to AWS, to an endpoint that the site lists, or to this machine.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::Uri;
use thiserror::Error;

/// An address that passed every check.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Address {
    /// The address to ask for, as it is signed and sent: no user, no default port, host in lower case.
    pub(crate) uri: Uri,
    /// The host to connect to, without brackets.
    pub(crate) host: String,
    /// The port to connect to.
    pub(crate) port: u16,
    /// How the way there is kept private.
    pub(crate) way: Way,
}

/// How the way to a host is kept private.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    /// By TLS.
    Tls,
    /// By never leaving this machine.
    Loopback,
}

/// Why an address is not dialed.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum BadAddress {
    /// It is no address with a host.
    #[error("not an absolute websocket address")]
    NotAnAddress,
    /// It is neither `wss` nor `ws`.
    #[error("scheme {scheme} is not a websocket's")]
    Scheme {
        /// The scheme as given.
        scheme: String,
    },
    /// It carries a user or password, which no data channel has.
    #[error("a user before the host")]
    User,
    /// It is unencrypted and leaves this machine.
    #[error("unencrypted to {host}, which is not this machine")]
    Unencrypted {
        /// The host as given.
        host: String,
    },
    /// Its host is neither AWS's for the session's region nor listed by the site.
    #[error(
        "host {host} is neither the session service of {region} nor an endpoint that the site lists"
    )]
    Host {
        /// The host as given, with its port where that is not the usual one.
        host: String,
        /// The session's region.
        region: String,
    },
}

impl Address {
    /// Reads and checks `url` for a session of `region`.
    pub(crate) fn check(url: &str, region: &str, listed: &[String]) -> Result<Self, BadAddress> {
        let uri: Uri = url.parse().map_err(|_| BadAddress::NotAnAddress)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(BadAddress::NotAnAddress);
        };
        if authority.as_str().contains('@') {
            return Err(BadAddress::User);
        }
        let host = authority.host().to_ascii_lowercase();
        // `host:` and `host:99999` have a colon and no port.
        let port = match authority.as_str().get(host.len()..) {
            Some("") => None,
            Some(_) => Some(authority.port_u16().ok_or(BadAddress::NotAnAddress)?),
            None => return Err(BadAddress::NotAnAddress),
        };
        let (scheme, way, usual) = match scheme.to_ascii_lowercase().as_str() {
            "wss" => ("wss", Way::Tls, TLS_PORT),
            "ws" => ("ws", Way::Loopback, PLAIN_PORT),
            other => return Err(BadAddress::Scheme { scheme: other.to_owned() }),
        };
        let port = port.unwrap_or(usual);
        let name = if port == usual { host.clone() } else { format!("{host}:{port}") };
        match way {
            Way::Loopback if !is_loopback(&host) => return Err(BadAddress::Unencrypted { host }),
            Way::Tls if !is_service(&name, region) && !is_listed(&name, listed) => {
                return Err(BadAddress::Host { host: name, region: region.to_owned() });
            }
            Way::Loopback | Way::Tls => {}
        }
        let uri = Uri::builder()
            .scheme(scheme)
            .authority(name)
            .path_and_query(uri.path_and_query().map_or("/", |path| path.as_str()))
            .build()
            .map_err(|_| BadAddress::NotAnAddress)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { uri, host, port, way })
    }

    /// The value of the Host header.
    pub(crate) fn authority(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }

    /// The host as it stands before a port.
    pub(crate) fn host_in_brackets(&self) -> &str {
        self.uri.host().unwrap_or(&self.host)
    }

    /// Whether the address carries its own signature, so that none is added.
    pub(crate) fn is_presigned(&self) -> bool {
        self.uri.query().unwrap_or_default().split('&').any(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            PRESIGNED.iter().any(|presigned| presigned.eq_ignore_ascii_case(name))
        })
    }
}

/// Whether `name` is, as a whole, AWS's session service of `region` on its usual port.
fn is_service(name: &str, region: &str) -> bool {
    // A region is one label of a host: anything else would move the borders of the names below.
    let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if region.is_empty() || !region.chars().all(label) {
        return false;
    }
    [
        format!("ssmmessages.{region}.amazonaws.com"),
        format!("ssmmessages-fips.{region}.amazonaws.com"),
        format!("ssmmessages.{region}.amazonaws.com.cn"),
        format!("ssmmessages.{region}.api.aws"),
    ]
    .iter()
    .any(|service| service == name)
}

/// Whether `name` is, as a whole, one of the endpoints that the site lists; a port other than 443 must be listed with it.
fn is_listed(name: &str, listed: &[String]) -> bool {
    listed.iter().any(|endpoint| endpoint.eq_ignore_ascii_case(name))
}

/// Whether a host is this machine by its very name.
fn is_loopback(host: &str) -> bool {
    let v6 = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match v6 {
        Some(literal) => literal.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback()),
        None => host == "localhost" || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback()),
    }
}

/// The usual port of `wss`.
const TLS_PORT: u16 = 443;

/// The usual port of `ws`.
const PLAIN_PORT: u16 = 80;

/// The query parameters that tell a presigned address; as Amazon's plugin, isPresignedURL.
const PRESIGNED: [&str; 7] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
];

#[cfg(test)]
mod tests {
    use super::*;

    const TOKYO: &str = "ap-northeast-1";

    fn check(url: &str) -> Result<Address, BadAddress> {
        Address::check(url, TOKYO, &[])
    }

    fn listing(url: &str, listed: &str) -> Result<Address, BadAddress> {
        Address::check(url, TOKYO, &[listed.to_owned()])
    }

    #[test]
    fn the_session_service_of_the_region_is_dialed_under_each_of_its_names() {
        for host in [
            "ssmmessages.ap-northeast-1.amazonaws.com",
            "ssmmessages-fips.ap-northeast-1.amazonaws.com",
            "ssmmessages.ap-northeast-1.amazonaws.com.cn",
            "ssmmessages.ap-northeast-1.api.aws",
        ] {
            let url = format!("wss://{host}/v1/data-channel/me-0abc?role=publish_subscribe");
            let address = check(&url).unwrap();
            assert_eq!((address.host.as_str(), address.port, address.way), (host, 443, Way::Tls));
            assert_eq!(address.uri.to_string(), url);
            assert_eq!(address.authority(), host);
        }
    }

    #[test]
    fn upper_case_and_the_usual_port_make_no_difference_to_what_is_signed() {
        let address = check("WSS://SsmMessages.AP-Northeast-1.amazonaws.com:443/v1/X?y=Z").unwrap();
        assert_eq!(
            address.uri.to_string(),
            "wss://ssmmessages.ap-northeast-1.amazonaws.com/v1/X?y=Z"
        );
    }

    #[test]
    fn a_host_that_only_looks_like_the_service_is_refused() {
        for host in [
            "evil.example",
            "ssmmessages.us-east-1.amazonaws.com",
            "ssmmessages.ap-northeast-1.amazonaws.com.evil.example",
            "evil.ssmmessages.ap-northeast-1.amazonaws.com",
            "evilssmmessages.ap-northeast-1.amazonaws.com",
            "ssmmessages.ap-northeast-1.amazonaws.comm",
            "ssmmessages.ap-northeast-1.amazonaws.com.",
            "ssmmessages.ap-northeast-1.amazonaws.com.cn.evil.example",
            "ssmmessages-fips.ap-northeast-1.api.aws.evil.example",
            "ssmmessages.ap-northeast-1.amazonaws.com:8443",
            "ssm.ap-northeast-1.amazonaws.com",
            "127.0.0.1",
            "localhost",
            "[::1]",
        ] {
            let refused = check(&format!("wss://{host}/v1/data-channel/s")).unwrap_err();
            assert_eq!(
                refused,
                BadAddress::Host { host: host.to_owned(), region: TOKYO.to_owned() },
                "{host}"
            );
        }
    }

    #[test]
    fn a_user_before_the_host_is_refused_whatever_the_host() {
        for url in [
            "wss://ssmmessages.ap-northeast-1.amazonaws.com@evil.example/",
            "wss://ssmmessages.ap-northeast-1.amazonaws.com:443@evil.example/",
            "wss://me@ssmmessages.ap-northeast-1.amazonaws.com/",
            "ws://127.0.0.1@evil.example/",
        ] {
            assert_eq!(check(url).unwrap_err(), BadAddress::User, "{url}");
        }
    }

    #[test]
    fn what_is_no_websocket_address_is_refused() {
        for url in [
            "",
            "/v1/data-channel/s",
            "ssmmessages.ap-northeast-1.amazonaws.com",
            "wss://",
            "wss:///v1",
            "wss://ssmmessages.ap-northeast-1.amazonaws.com:/v1",
            "wss://ssmmessages.ap-northeast-1.amazonaws.com:99999/v1",
            "wss://ssmmessages.ap-northeast-1.amazonaws.com\\@evil.example/",
            "wss://ssmmessages.ap-northeast-1.amazonaws.com /",
        ] {
            assert_eq!(check(url).unwrap_err(), BadAddress::NotAnAddress, "{url}");
        }
        assert_eq!(
            check("https://ssmmessages.ap-northeast-1.amazonaws.com/").unwrap_err(),
            BadAddress::Scheme { scheme: "https".into() }
        );
    }

    #[test]
    fn a_fragment_cannot_move_the_host() {
        assert_eq!(
            check("wss://evil.example#.ssmmessages.ap-northeast-1.amazonaws.com").unwrap_err(),
            BadAddress::Host { host: "evil.example".into(), region: TOKYO.into() }
        );
    }

    #[test]
    fn a_region_that_is_no_label_matches_nothing() {
        for region in ["", "ap-northeast-1.evil", "x/", "AP-NORTHEAST-1", "*"] {
            let url = "wss://ssmmessages.ap-northeast-1.amazonaws.com/";
            assert!(matches!(
                Address::check(url, region, &[]).unwrap_err(),
                BadAddress::Host { .. }
            ));
        }
        assert!(Address::check("wss://ssmmessages.x.evil.amazonaws.com/", "x.evil", &[]).is_err());
    }

    #[test]
    fn an_endpoint_that_the_site_lists_is_dialed_and_no_other() {
        let endpoint = "vpce-0a1b-2c3d.ssmmessages.ap-northeast-1.vpce.amazonaws.com";
        let url = format!("wss://{endpoint}/v1/data-channel/s");
        assert!(check(&url).is_err());
        assert_eq!(listing(&url, endpoint).unwrap().host, endpoint);
        assert_eq!(listing(&url, &endpoint.to_uppercase()).unwrap().host, endpoint);
        assert!(listing(&url, "ssmmessages.ap-northeast-1.vpce.amazonaws.com").is_err());
        assert!(listing(&url, "").is_err());
    }

    #[test]
    fn another_port_than_443_must_be_listed_with_the_endpoint() {
        assert!(listing("wss://endpoint.example:8443/", "endpoint.example").is_err());
        let address = listing("wss://endpoint.example:8443/", "endpoint.example:8443").unwrap();
        assert_eq!(address.authority(), "endpoint.example:8443");
        assert_eq!(address.port, 8443);
    }

    #[test]
    fn unencrypted_is_for_this_machine_only() {
        for (url, host, port) in [
            ("ws://127.0.0.1:4566/v1", "127.0.0.1", 4566),
            ("ws://127.9.9.9/v1", "127.9.9.9", 80),
            ("ws://[::1]:4566/v1", "::1", 4566),
            ("ws://localhost:1/v1", "localhost", 1),
        ] {
            let address = check(url).unwrap();
            assert_eq!(
                (address.host.as_str(), address.port, address.way),
                (host, port, Way::Loopback)
            );
        }
        for host in [
            "ssmmessages.ap-northeast-1.amazonaws.com",
            "10.0.0.1",
            "0.0.0.0",
            "128.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "localhost.",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "[::]",
            "[::ffff:10.0.0.1]",
        ] {
            assert_eq!(
                check(&format!("ws://{host}/v1")).unwrap_err(),
                BadAddress::Unencrypted { host: host.into() }
            );
        }
        // Not even where the site lists the name.
        assert!(listing("ws://endpoint.example/", "endpoint.example").is_err());
    }

    #[test]
    fn an_address_with_any_part_of_a_signature_counts_as_presigned() {
        let base = "ws://127.0.0.1/v1/data-channel/s?role=publish_subscribe";
        assert!(!check(base).unwrap().is_presigned());
        assert!(!check("ws://127.0.0.1/v1").unwrap().is_presigned());
        assert!(!check(&format!("{base}&x=X-Amz-Signature")).unwrap().is_presigned());
        for name in PRESIGNED {
            assert!(check(&format!("{base}&{name}=1")).unwrap().is_presigned(), "{name}");
        }
    }
}
