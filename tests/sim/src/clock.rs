//! The simulator's own time: a time of day that may be wrong on purpose, and waits that may pass faster than life.

#![expect(
    clippy::disallowed_methods,
    reason = "a test tool's only place that asks the machine for the time"
)]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What time it is in the simulated cloud, and how long its minutes take here.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    offset_seconds: i64,
    speed: f64,
}

impl Clock {
    /// A clock that is `offset_seconds` ahead of this machine's and whose waits pass `speed` times as fast.
    pub(crate) fn new(offset_seconds: i64, speed: f64) -> Self {
        let speed = if speed.is_finite() && speed > 0.0 { speed } else { 1.0 };
        Self { offset_seconds, speed }
    }

    /// Milliseconds since 1970, as this cloud sees it.
    pub(crate) fn unix_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        ms.saturating_add(self.offset_seconds.saturating_mul(1000))
    }

    /// The machine's monotonic time, for measuring.
    pub(crate) fn instant(&self) -> Instant {
        Instant::now()
    }

    /// How long `model` time takes on this machine.
    pub(crate) fn real(&self, model: Duration) -> Duration {
        model.div_f64(self.speed)
    }

    /// How much model time `real` time is.
    pub(crate) fn model(&self, real: Duration) -> Duration {
        real.mul_f64(self.speed)
    }

    /// Waits for `model` time.
    pub(crate) async fn sleep(&self, model: Duration) {
        tokio::time::sleep(self.real(model)).await;
    }
}

/// A time of day as AWS's JSON gives it: seconds since 1970 with a fraction.
pub(crate) fn epoch_seconds(unix_ms: i64) -> serde_json::Value {
    serde_json::json!(unix_ms as f64 / 1000.0)
}

/// A time of day as AWS's XML gives it: `2026-01-02T03:04:05.678Z`.
pub(crate) fn iso8601(unix_ms: i64) -> String {
    timestamp(unix_ms).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// A time of day as the `Date` header gives it: `Fri, 02 Jan 2026 03:04:05 GMT`.
pub(crate) fn http_date(unix_ms: i64) -> String {
    timestamp(unix_ms).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// A time of day as SigV4 gives it: `20260102T030405Z`.
pub(crate) fn amz_date(unix_ms: i64) -> String {
    timestamp(unix_ms).strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// The reverse of [`amz_date`]; nothing if `text` is no such time.
pub(crate) fn parse_amz_date(text: &str) -> Option<i64> {
    let civil = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    let timestamp = jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()?;
    Some(timestamp.as_millisecond())
}

fn timestamp(unix_ms: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(unix_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}
