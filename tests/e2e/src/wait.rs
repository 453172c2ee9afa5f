//! Waiting for what cannot be subscribed to: asked again and again, with a deadline.

use std::time::Duration;

/// Asks until there is an answer.
///
/// # Panics
/// When there is none within the limit.
pub async fn until<T>(what: &str, limit: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let wait = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    };
    match tokio::time::timeout(limit, wait).await {
        Ok(answer) => answer,
        Err(_) => panic!("{what} did not happen within {limit:?}"),
    }
}

/// Fine enough for the promises that the stories measure, which are in seconds.
const ASK_AGAIN: Duration = Duration::from_millis(25);
