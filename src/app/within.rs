//! A limit of time on waiting.

use std::time::Duration;

use smol::future::or;

/// What `future` gives within `limit`; `None` when it takes longer, and is dropped.
pub async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let late = async {
        async_io::Timer::after(limit).await;
        None
    };
    or(async { Some(future.await) }, late).await
}
