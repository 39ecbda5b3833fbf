//! What waits for disks and networks is done beside the threads that serve everybody.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::error::HttpError;

/// Does something that blocks.
///
/// # Errors
/// A fault, if it broke off.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, HttpError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|broken| HttpError::fault("work that broke off", broken))
}

/// So many at once work on requests; others wait for their turn.
#[derive(Clone, Debug)]
pub struct Workers(Arc<Semaphore>);

impl Workers {
    /// So many at once.
    #[must_use]
    pub fn new(at_once: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_once)))
    }

    /// Does something that blocks, when it's its turn.
    ///
    /// # Errors
    /// A fault, if it broke off.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HttpError> {
        let turn = self.0.acquire().await;
        let _turn = turn.map_err(|closed| HttpError::fault("waiting for a turn", closed))?;
        blocking(work).await
    }
}
