//! Whatever leaves the host waits here for the disk: answers, the requests of guests, events. Apart, so that every way out is found by
//! looking for this name. (Output commit: Elnozahy et al. 2002, "A survey of rollback-recovery protocols in message-passing systems".)

use crate::store::writer::{Position, Writer, WriterError};
use std::sync::Arc;

/// The way out.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    writer: Arc<Writer>,
}

impl Gate {
    pub(super) fn new(writer: Arc<Writer>) -> Self {
        Self { writer }
    }

    /// Waits until everything is durable that has been noted by now. Dropping the future is safe.
    ///
    /// # Errors
    /// If it is not known whether it is.
    pub(super) async fn settle(&self) -> Result<(), WriterError> {
        self.writer.durable(self.writer.newest()).await
    }

    /// Lets through what depends on everything up to `position`, once that is durable. Dropping the future is safe.
    ///
    /// # Errors
    /// If it is not known whether it is durable: then it must not leave.
    pub(super) async fn leave(&self, position: Position) -> Result<(), WriterError> {
        self.writer.durable(position).await
    }
}
