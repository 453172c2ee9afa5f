use aws_smithy_types::base64;

/// The proxy that the environment names for a host, as far as a look needs it: plain HTTP to the proxy itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    user: Option<String>,
}

/// The address of the proxy for a host, of whatever kind, without its user and password.
pub(super) fn named(host: &str, get: impl Fn(&str) -> Option<String>) -> Option<String> {
    let url = address(host, get)?;
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", &url));
    // A password may hold a slash that nobody has escaped.
    let server = rest.rsplit_once('@').map_or(rest, |(_, server)| server);
    Some(format!("{scheme}://{}", server.split('/').next().unwrap_or(server)))
}

/// What the environment names for a host.
fn address(host: &str, get: impl Fn(&str) -> Option<String>) -> Option<String> {
    let find = |names: [&str; 2]| names.into_iter().filter_map(&get).find(|it| !it.is_empty());
    let direct = find(["no_proxy", "NO_PROXY"]).unwrap_or_default();
    let covered = direct.split(',').map(str::trim).any(|name| {
        let name = name.trim_start_matches('*').trim_start_matches('.');
        let below =
            host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        (name.is_empty() && direct.contains('*')) || (!name.is_empty() && below)
    });
    if covered {
        return None;
    }
    find(["https_proxy", "HTTPS_PROXY"]).or_else(|| find(["all_proxy", "ALL_PROXY"]))
}

impl Proxy {
    pub(super) fn for_host(host: &str, get: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let url = address(host, get)?;
        let rest = match url.split_once("://") {
            Some(("http", rest)) => rest,
            Some(_) => return None,
            None => url.as_str(),
        };
        let authority = rest.split('/').next()?;
        let (user, authority) = match authority.rsplit_once('@') {
            Some((user, authority)) => (Some(user.to_owned()), authority),
            None => (None, authority),
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (authority, 80),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(Self { host, port, user })
    }

    /// What asks it for a way to a host.
    pub(super) fn request(&self, host: &str, port: u16) -> String {
        let user = self
            .user
            .as_deref()
            .map(|user| format!("Proxy-Authorization: Basic {}\r\n", base64::encode(user)));
        let user = user.unwrap_or_default();
        format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{user}\r\n")
    }
}

#[cfg(test)]
mod tests {
    use super::{Proxy, named};

    const HOST: &str = "sts.ap-northeast-1.amazonaws.com";

    fn chosen(pairs: &[(&str, &str)]) -> Option<(String, u16)> {
        let get = |name: &str| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        Proxy::for_host(HOST, get).map(|proxy| (proxy.host, proxy.port))
    }

    #[test]
    fn the_environments_proxy_is_taken_unless_the_host_is_to_be_reached_directly() {
        let proxy = Some(("proxy".to_owned(), 3128));
        assert_eq!(chosen(&[]), None);
        assert_eq!(chosen(&[("HTTPS_PROXY", "http://proxy:3128/")]), proxy);
        assert_eq!(chosen(&[("ALL_PROXY", "proxy:3128")]), proxy);
        for direct in ["amazonaws.com", ".amazonaws.com", "*.amazonaws.com", "*", HOST] {
            let pairs = [("https_proxy", "http://proxy:3128"), ("NO_PROXY", direct)];
            assert_eq!(chosen(&pairs), None, "{direct}");
        }
        let pairs = [("https_proxy", "http://proxy:3128"), ("NO_PROXY", "example.com, zonaws.com")];
        assert_eq!(chosen(&pairs), proxy);
        assert_eq!(chosen(&[("HTTPS_PROXY", "socks5://proxy:1080")]), None);
    }

    #[test]
    fn a_user_is_told_to_the_proxy() {
        let get = |name: &str| (name == "HTTPS_PROXY").then(|| "http://me:pw@proxy:1".to_owned());
        let proxy = Proxy::for_host(HOST, get).unwrap();
        assert!(proxy.request(HOST, 443).contains("Proxy-Authorization: Basic bWU6cHc=\r\n"));
    }

    #[test]
    fn a_proxy_is_named_without_what_is_secret_in_its_address() {
        let name = |url: &str| {
            named(HOST, |name| (name == "HTTPS_PROXY").then(|| url.to_owned())).unwrap()
        };
        assert_eq!(name("http://me:p@ss/x@proxy:1/"), "http://proxy:1");
        assert_eq!(name("proxy:3128"), "http://proxy:3128");
        assert_eq!(name("socks5h://u:p@[::1]:1080"), "socks5h://[::1]:1080");
    }
}
