//! Ways to have an object reconciled for a reason that is not a change of its own.

use std::fmt::Debug;

use futures::Stream;
use kube::Resource;
use kube::core::metadata::PartialObjectMeta;
use kube::runtime::reflector::ObjectRef;
use parking_lot::Mutex;
use tokio::sync::mpsc;

type Ref<K> = ObjectRef<PartialObjectMeta<K>>;

/// Wakes objects of one kind.
#[derive(Debug)]
pub struct Wake<K: Resource<DynamicType = ()> + 'static> {
    sender: mpsc::UnboundedSender<Ref<K>>,
    receiver: Mutex<Option<mpsc::UnboundedReceiver<Ref<K>>>>,
}

impl<K: Resource<DynamicType = ()> + 'static> Default for Wake<K> {
    fn default() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self {
            sender,
            receiver: Mutex::new(Some(receiver)),
        }
    }
}

impl<K: Resource<DynamicType = ()> + Debug + Send + 'static> Wake<K> {
    /// Has the object reconciled soon. Waking it many times before that is waking it once.
    pub fn wake(&self, namespace: &str, name: &str) {
        // Without a receiver the controller has ended, and so does the process.
        let _ = self.sender.send(ObjectRef::new(name).within(namespace));
    }

    /// The woken objects, for the kind's controller; empty for all but the first caller.
    pub fn stream(&self) -> impl Stream<Item = Ref<K>> + Send + 'static {
        let receiver = self.receiver.lock().take();
        futures::stream::unfold(receiver, |receiver| async {
            let mut receiver = receiver?;
            let woken = receiver.recv().await?;
            Some((woken, Some(receiver)))
        })
    }
}
