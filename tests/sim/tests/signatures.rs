//! Who is refused for his signature, and in which words.

mod asking;

use asking::{Asker, FORM, LIMIT, form_body, start, start_with};
use bastion_sim::{Key, SimConfig};
use serde_json::json;

/// One cheap call of each protocol: JSON, query, EC2.
async fn codes(asker: &Asker) -> [(u16, String); 3] {
    let json = asker.ecs("DescribeClusters", json!({})).await;
    let query = asker.sts("GetCallerIdentity", &[]).await;
    let ec2 = asker.ec2("DescribeVpcs", &[]).await;
    [json, query, ec2].map(|reply| (reply.status, reply.code()))
}

fn expect(codes: [(u16, String); 3], wanted: [(u16, &str); 3]) {
    assert_eq!(codes, wanted.map(|(status, code)| (status, code.to_owned())));
}

#[tokio::test]
async fn what_awss_own_signer_signs_is_taken_by_every_service() {
    let (sim, asker) = start().await;
    expect(codes(&asker).await, [(200, ""), (200, ""), (200, "")]);
    assert_eq!(asker.ssm("DescribeSessions", json!({ "State": "Active" })).await.status, 200);
    assert_eq!(asker.secrets("ListSecrets", json!({})).await.status, 200);
    assert_eq!(asker.rds("DescribeDBInstances", &[]).await.status, 200);
    assert!(sim.calls().iter().all(|call| call.access_key == "AKIASIMULATEDKEY0001"));
}

#[tokio::test]
async fn a_wrong_secret_is_refused() {
    let (_sim, mut asker) = start().await;
    asker.key.secret_access_key.push('x');
    expect(
        codes(&asker).await,
        [(400, "InvalidSignatureException"), (403, "SignatureDoesNotMatch"), (401, "AuthFailure")],
    );
}

#[tokio::test]
async fn an_unknown_key_is_refused() {
    let (_sim, mut asker) = start().await;
    asker.key.access_key_id = "AKIANOSUCHKEY0000001".to_owned();
    expect(
        codes(&asker).await,
        [(400, "UnrecognizedClientException"), (403, "InvalidClientTokenId"), (401, "AuthFailure")],
    );
}

#[tokio::test]
async fn a_clock_that_is_behind_is_refused_with_both_times() {
    let (_sim, mut asker) = start().await;
    asker.ahead_seconds = -16 * 60;
    expect(
        codes(&asker).await,
        [
            (400, "InvalidSignatureException"),
            (403, "SignatureDoesNotMatch"),
            (400, "RequestExpired"),
        ],
    );
    let text = asker.ecs("DescribeClusters", json!({})).await.text();
    assert!(text.starts_with("Signature expired: ") && text.ends_with(" - 5 min.)"), "{text}");
    asker.ahead_seconds = 16 * 60;
    let text = asker.sts("GetCallerIdentity", &[]).await.text();
    assert!(
        text.starts_with("Signature not yet current: ") && text.ends_with(" + 15 min.)"),
        "{text}"
    );
    asker.ahead_seconds = 4 * 60;
    assert_eq!(
        asker.ecs("DescribeClusters", json!({})).await.status,
        200,
        "four minutes are forgiven"
    );
}

#[tokio::test]
async fn a_cloud_whose_own_clock_is_off_says_so_in_its_date() {
    let config = SimConfig { clock_offset_seconds: 3600, ..SimConfig::default() };
    let (_sim, mut asker) = start_with(config).await;
    let refused = asker.ecs("DescribeClusters", json!({})).await;
    assert_eq!(refused.code(), "InvalidSignatureException");
    assert!(refused.header("date").is_some_and(|date| date.ends_with(" GMT")), "{}", refused.head);
    asker.ahead_seconds = 3600;
    assert_eq!(asker.ecs("DescribeClusters", json!({})).await.status, 200);
}

#[tokio::test]
async fn a_temporary_key_needs_its_token_and_ends() {
    let (sim, mut asker) = start().await;
    let role = "arn:aws:iam::123456789012:role/bastion-operator";
    let fields = [("RoleArn", role), ("RoleSessionName", "tester"), ("DurationSeconds", "900")];
    let assumed = asker.sts("AssumeRole", &fields).await;
    asker.key = Key {
        access_key_id: assumed.element("AccessKeyId").unwrap(),
        secret_access_key: assumed.element("SecretAccessKey").unwrap(),
        session_token: assumed.element("SessionToken"),
        ..Key::default()
    };
    let identity = asker.sts("GetCallerIdentity", &[]).await;
    let arn = "arn:aws:sts::123456789012:assumed-role/bastion-operator/tester";
    assert_eq!(identity.element("Arn").as_deref(), Some(arn));
    let token = asker.key.session_token.take();
    assert_eq!(asker.sts("GetCallerIdentity", &[]).await.code(), "InvalidClientTokenId");
    asker.key.session_token = token;
    sim.keys(|keys| keys.iter_mut().for_each(|key| key.expires_ms = key.expires_ms.map(|_| 0)));
    expect(
        codes(&asker).await,
        [(400, "ExpiredTokenException"), (403, "ExpiredToken"), (400, "RequestExpired")],
    );
}

#[tokio::test]
async fn a_role_with_mfa_wants_device_and_code() {
    let (_sim, asker) = start().await;
    let role = [
        ("RoleArn", "arn:aws:iam::123456789012:role/bastion-operator-mfa"),
        ("RoleSessionName", "tester"),
    ];
    assert_eq!(asker.sts("AssumeRole", &role).await.code(), "AccessDenied");
    let device = ("SerialNumber", "arn:aws:iam::123456789012:mfa/dev");
    let wrong = asker.sts("AssumeRole", &[role[0], role[1], device, ("TokenCode", "000000")]).await;
    assert!(wrong.text().contains("invalid MFA"), "{wrong:?}");
    assert_eq!(
        asker.sts("AssumeRole", &[role[0], role[1], device, ("TokenCode", "123456")]).await.status,
        200
    );
}

#[tokio::test]
async fn a_request_that_was_altered_on_its_way_is_refused() {
    let (_sim, asker) = start().await;
    let signed = form_body("2011-06-15", "GetCallerIdentity", &[]);
    let mut headers = asker.signature("POST", "/", "sts", &[FORM], &signed);
    headers.push((FORM.0.to_owned(), FORM.1.to_owned()));
    assert_eq!(asker.send("POST", "/", &headers, &signed).await.unwrap().status, 200);
    let altered = asker.send("POST", "/", &headers, &format!("{signed}&X=1")).await.unwrap();
    assert_eq!(altered.code(), "SignatureDoesNotMatch");
    headers.last_mut().unwrap().1 = "text/plain".to_owned();
    let altered = asker.send("POST", "/", &headers, &signed).await.unwrap();
    assert_eq!(altered.code(), "SignatureDoesNotMatch", "a signed header was altered");
}

#[tokio::test]
async fn a_request_without_or_for_another_service_is_refused() {
    let (_sim, asker) = start().await;
    let body = form_body("2011-06-15", "GetCallerIdentity", &[]);
    let bare = asker.send("POST", "/", &[], &body).await.unwrap();
    assert_eq!((bare.status, bare.code().as_str()), (403, "MissingAuthenticationToken"));
    let other = asker.post("ec2", &[FORM], &body).await.unwrap();
    assert_eq!(other.code(), "SignatureDoesNotMatch");
    assert!(other.text().contains("correct service: 'sts'"), "{other:?}");
}

#[tokio::test]
async fn an_upgrade_of_a_data_channel_is_judged_and_recorded_too() {
    let (sim, mut asker) = start().await;
    let path = "/v1/data-channel/dev-0123?role=publish_subscribe";
    let unsigned = asker.send("GET", path, &[], "").await.unwrap();
    assert_eq!(unsigned.status, 403);
    let signed = asker.signature("GET", path, "ssmmessages", &[], "");
    assert_eq!(
        asker.send("GET", path, &signed, "").await.unwrap().status,
        404,
        "signed, but no such session"
    );
    let for_ssm = asker.signature("GET", path, "ssm", &[], "");
    assert_eq!(asker.send("GET", path, &for_ssm, "").await.unwrap().status, 403);
    asker.key.secret_access_key.push('x');
    let wrong = asker.signature("GET", path, "ssmmessages", &[], "");
    assert_eq!(asker.send("GET", path, &wrong, "").await.unwrap().status, 403);
    assert!(sim.until(LIMIT, |sim| sim.calls().len() == 4).await);
    assert_eq!(sim.count("OpenDataChannel"), 1);
}
