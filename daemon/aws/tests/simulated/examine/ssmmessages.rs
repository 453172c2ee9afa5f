use bastion_cloud::{Cloud, Kind};
use bastion_sim::between::{Between, FILTER, INSPECTOR as INSPECTOR_OF_ITS_OWN};
use bastion_sim::{Sim, SimConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::ask;
use crate::home::Home;
use crate::house::{House, write};
use crate::network::{Answer, Front, INSPECTOR, between, config, path, spawn, tls};

#[tokio::test]
async fn aws_itself_is_believed_and_takes_an_upgrade() {
    let house = House::new().await;
    let gateway = ask(&house.aws()).gateway().await.unwrap();
    assert_eq!((gateway.host.as_str(), &gateway.proxy), ("127.0.0.1", &None));
    assert_eq!((gateway.distrusted_issuer, gateway.upgrade), (None, None));
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_told_with_who_signed_it() {
    let house = House::new().await;
    let front = Front::new(&house.sim).await;
    let gateway = ask(&front.aws(&house, None)).gateway().await.unwrap();
    assert_eq!(gateway.distrusted_issuer.as_deref(), Some(INSPECTOR));
    let gateway = ask(&front.aws(&house, Some(tls("ca.pem")))).gateway().await.unwrap();
    assert_eq!((gateway.distrusted_issuer, gateway.upgrade), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_named_and_what_it_does_is_told() {
    let ca = || ("AWS_CA_BUNDLE", path("ca.pem"));
    let (sim, front, proxy) = between(Answer::Through).await;
    let mut home = Home::with(sim, &config(), &[proxy.variable(), ca()]);
    let host = "ssmmessages.ap-northeast-1.amazonaws.com";
    let by = format!("{host} by {}", proxy.variable().1);
    // The test's certificate is for another name of AWS's, which the SDK's own client does not forgive.
    let told = home.ask("gateway");
    assert!(told.starts_with(&format!("{by}: distrusted {INSPECTOR}")), "{told}");
    assert!(proxy.asked().iter().all(|line| *line == format!("CONNECT {host}:443 HTTP/1.1")));
    drop(front);

    let (sim, front, proxy) = between(Answer::Refused("407 Proxy Authentication Required")).await;
    let mut home = Home::with(sim, &config(), &[proxy.variable(), ca()]);
    let told = home.ask("gateway");
    assert!(told.contains("upgrade") && !told.contains("distrusted"), "{told}");
    drop(front);
}

#[tokio::test]
async fn who_answers_the_upgrade_in_awss_place_is_told_by_name() {
    for (answer, told) in [
        (
            "HTTP/1.1 403 Forbidden\r\nVia: 1.1 filter.example.com\r\n",
            Some("1.1 filter.example.com"),
        ),
        ("HTTP/1.1 502 Bad Gateway\r\n", Some("HTTP 502")),
        ("", Some("closed")),
        ("HTTP/1.1 403 Forbidden\r\nx-amzn-requestid: 1\r\n", None),
    ] {
        let house = House::new().await;
        let aws = stranger(&house, answer).await;
        let gateway = ask(&aws).gateway().await.unwrap();
        match told {
            Some(words) => {
                assert!(gateway.upgrade.as_deref().unwrap().contains(words), "{gateway:?}")
            }
            None => assert_eq!(gateway.upgrade, None),
        }
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let house = House::new().await;
    let sim = Sim::start(SimConfig::default()).await.unwrap();
    let gone = sim.endpoint();
    sim.stop().await;
    lead_to(&house, &gone);
    let error = ask(&house.aws()).gateway().await.unwrap_err();
    assert_eq!(error.kind, Kind::Unreachable, "{error:?}");
}

/// An AWS that answers plain questions, and whose upgrades are answered by somebody else.
async fn stranger(house: &House, answer: &'static str) -> bastion_aws::Aws {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                let Ok(byte) = near.read_u8().await else { return };
                head.push(char::from(byte));
            }
            let upgrade = head.to_lowercase().contains("upgrade: websocket");
            let head = if upgrade { answer } else { "HTTP/1.1 404 Not Found\r\n" };
            if !head.is_empty() {
                let whole = format!("{head}Content-Length: 0\r\nConnection: close\r\n\r\n");
                near.write_all(whole.as_bytes()).await.unwrap();
            }
        }
    }));
    lead_to(house, &endpoint);
    house.aws()
}

fn lead_to(house: &House, endpoint: &str) {
    let text = format!(
        "[profile prod]\nregion = ap-northeast-1\nendpoint_url = {endpoint}\n{}",
        house.keys()
    );
    write(&house.config_file(), &text);
}

#[tokio::test]
async fn what_the_simulator_puts_between_is_found_by_either_sign() {
    for (between, issuer, filter) in [
        (Between::Inspector, Some(INSPECTOR_OF_ITS_OWN), None),
        (Between::Filter, None, Some(FILTER)),
    ] {
        let config = SimConfig { between: Some(between), ..SimConfig::default() };
        let house = House::with(config).await;
        let aws = house.aws();
        let gateway = ask(&aws).gateway().await.unwrap();
        assert_eq!(gateway.distrusted_issuer.as_deref(), issuer, "{between:?}");
        let told = gateway.upgrade.unwrap_or_default();
        assert!(filter.map_or(told.is_empty(), |name| told.contains(name)), "{told}");
        // A filter lets all else through.
        assert_eq!(aws.identity().await.is_ok(), between == Between::Filter);
    }
}
