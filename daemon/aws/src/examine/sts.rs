//! What time AWS has.
//!
//! needs: nothing (it is asked without a signature, and told with the refusal)

use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use aws_smithy_types::error::ErrorMetadata;
use bastion_cloud::{CloudError, Kind, Skew};

use crate::Aws;
use crate::handmade::{self, Call};

/// How far this machine's clock is ahead of AWS's. Asked without credentials: a wrong clock spoils their use.
pub(super) async fn clock_ahead(aws: &Aws) -> Result<Skew, CloudError> {
    let clients = aws.access.reach().await?;
    let usual = format!("https://sts.{}.{}", clients.region, handmade::domain(&clients.region));
    let call = Call {
        name: ASK,
        endpoint: handmade::endpoint(&clients, "STS", usual),
        signed_for: None,
        method: "POST",
        headers: &[("content-type", "application/x-www-form-urlencoded")],
        body: "Action=GetCallerIdentity&Version=2011-06-15".to_owned(),
    };
    let sent = tokio::time::Instant::now();
    let date = handmade::ask(&clients, call, date).await?;
    let took = sent.elapsed();
    let now = clients.now();
    let Some(date) = date else {
        return Err(CloudError {
            call: ASK,
            kind: Kind::Service,
            message: "an answer without a date".to_owned(),
            request_id: None,
        });
    };
    Ok(skew(DateTime::from(now).as_secs_f64(), date.as_secs_f64(), took))
}

/// The header tells whole seconds: half of one more is likely gone, and half of the answer's way.
fn skew(now: f64, date: f64, took: Duration) -> Skew {
    let ahead = now - took.as_secs_f64() / 2.0 - (date + HALF.as_secs_f64());
    // Clocks are off by far less than what an i64 of seconds holds.
    Skew { seconds: ahead.round() as i64, within: took / 2 + HALF }
}

fn date(answer: &HttpResponse) -> Result<Option<DateTime>, ErrorMetadata> {
    let date = answer.headers().get("date");
    Ok(date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok()))
}

const ASK: &str = "sts:GetCallerIdentity";

const HALF: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::skew;

    #[test]
    fn a_skew_is_known_as_well_as_the_answer_was_quick() {
        let told = skew(1000.7, 1000.0, Duration::from_millis(200));
        assert_eq!((told.seconds, told.within), (0, Duration::from_millis(600)));
        assert_eq!(skew(1600.5, 1000.0, Duration::ZERO).seconds, 600);
        assert_eq!(skew(400.5, 1000.0, Duration::ZERO).seconds, -600);
        let slow = skew(1010.0, 1000.0, Duration::from_secs(18));
        assert_eq!((slow.seconds, slow.within), (1, Duration::from_millis(9500)));
    }
}
