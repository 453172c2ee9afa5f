use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// All of these, a few at a time, in their order; the first error ends it.
pub(super) async fn together<F, T, E>(
    all: impl IntoIterator<Item = F>,
    at_once: usize,
) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut waiting: VecDeque<(usize, F)> = all.into_iter().enumerate().collect();
    let mut done: Vec<Option<T>> = waiting.iter().map(|_| None).collect();
    let mut running: Vec<(usize, Pin<Box<F>>)> = Vec::new();
    poll_fn(|context| {
        loop {
            while running.len() < at_once
                && let Some((place, next)) = waiting.pop_front()
            {
                running.push((place, Box::pin(next)));
            }
            let before = running.len();
            let mut failed = None;
            running.retain_mut(|(place, asked)| match asked.as_mut().poll(context) {
                Poll::Pending => true,
                Poll::Ready(Ok(told)) => {
                    done[*place] = Some(told);
                    false
                }
                Poll::Ready(Err(error)) => {
                    failed.get_or_insert(error);
                    false
                }
            });
            if let Some(error) = failed {
                return Poll::Ready(Err(error));
            }
            if running.is_empty() && waiting.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if running.len() == before {
                return Poll::Pending;
            }
        }
    })
    .await?;
    Ok(done.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::together;

    #[tokio::test]
    async fn no_more_run_at_once_than_may_and_the_order_is_kept() {
        let (now, most) = (Cell::new(0), Cell::new(0));
        let one = async |number: usize| {
            now.set(now.get() + 1);
            most.set(most.get().max(now.get()));
            // The later ones are the quicker ones.
            for _ in number..10 {
                tokio::task::yield_now().await;
            }
            now.set(now.get() - 1);
            Ok::<_, ()>(number)
        };
        let told = together((0..10).map(one), 3).await.unwrap();
        assert_eq!(told, (0..10).collect::<Vec<_>>());
        assert_eq!(most.get(), 3);
    }

    #[tokio::test]
    async fn the_first_error_ends_it_and_the_rest_is_never_begun() {
        let begun = Cell::new(0);
        let one = async |number: usize| {
            begun.set(begun.get() + 1);
            if number == 1 { Err(number) } else { Ok(number) }
        };
        assert_eq!(together((0..100).map(one), 2).await, Err(1));
        assert!(begun.get() <= 3, "{}", begun.get());
        assert_eq!(
            together(std::iter::empty::<std::future::Ready<Result<(), ()>>>(), 2).await,
            Ok(vec![])
        );
    }
}
