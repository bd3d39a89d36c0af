//! A listener that a test can close and open again.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use futures::future::BoxFuture;
use local_lambda::Tasks;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Mutex;

/// How many connections may wait to be accepted, as with [`TcpListener::bind`].
const BACKLOG: u32 = 1024;

/// A listener and its connections. It keeps its address while it is shut.
pub(crate) struct Door {
    address: SocketAddr,
    visit: Arc<dyn Fn(TcpStream) -> BoxFuture<'static, ()> + Send + Sync>,
    // Locked during a change, so that two concurrent changes do not conflict on the port.
    state: Mutex<State>,
}

enum State {
    Open(Arc<Tasks>),
    /// The port, bound but without a listener: connections are refused, and no other process gets
    /// it.
    Shut(TcpSocket),
}

impl Door {
    /// Opens on a free port of `address`; `visit` serves each connection.
    ///
    /// # Errors
    /// When no port is free.
    pub(crate) async fn open_at<F>(
        address: Ipv4Addr,
        visit: impl Fn(TcpStream) -> F + Send + Sync + 'static,
    ) -> anyhow::Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((address, 0)).await?;
        let address = listener.local_addr()?;
        let tasks = Arc::new(Tasks::default());
        let state = Mutex::new(State::Open(Arc::clone(&tasks)));
        let door = Self { address, visit: Arc::new(move |caller| Box::pin(visit(caller))), state };
        door.serve(listener, &tasks);
        Ok(door)
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts all connections and refuses new ones, like a server that is down. Returns how many it
    /// has cut. Does nothing if it is already shut.
    ///
    /// # Errors
    /// When another process has taken the port while it was free.
    pub(crate) async fn shut(&self) -> anyhow::Result<usize> {
        let mut state = self.state.lock().await;
        let mut cut = 0;
        if let State::Open(tasks) = &*state {
            // One of the tasks is the listener.
            cut = tasks.abort().saturating_sub(1);
            // The port is free once the tasks have ended.
            tasks.finish().await;
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(self.address)?;
            *state = State::Shut(socket);
        }
        Ok(cut)
    }

    /// Accepts connections again. Does nothing if it is already open.
    ///
    /// # Errors
    /// When the port is not available.
    pub(crate) async fn open(&self) -> anyhow::Result<()> {
        let mut state = self.state.lock().await;
        if matches!(*state, State::Shut(_)) {
            let tasks = Arc::new(Tasks::default());
            let shut = std::mem::replace(&mut *state, State::Open(Arc::clone(&tasks)));
            if let State::Shut(socket) = shut {
                self.serve(socket.listen(BACKLOG)?, &tasks);
            }
        }
        Ok(())
    }

    fn serve(&self, listener: TcpListener, tasks: &Arc<Tasks>) {
        let visit = Arc::clone(&self.visit);
        let visits = Arc::downgrade(tasks);
        tasks.spawn(async move {
            loop {
                let Ok((caller, _)) = listener.accept().await else { continue };
                let Some(visits) = visits.upgrade() else { return };
                visits.spawn(visit(caller));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpSocket, TcpStream};

    use super::Door;

    async fn keep(caller: TcpStream) {
        std::future::pending::<()>().await;
        drop(caller);
    }

    #[tokio::test]
    async fn a_shut_door_cuts_connections_and_keeps_its_port() {
        let door = Door::open_at(Ipv4Addr::LOCALHOST, keep).await.unwrap();
        let mut guest = TcpStream::connect(door.address()).await.unwrap();
        for _ in 0..3 {
            door.shut().await.unwrap();
            door.shut().await.unwrap();
            assert!(guest.read_u8().await.is_err());
            TcpStream::connect(door.address()).await.unwrap_err();
            TcpSocket::new_v4().unwrap().bind(door.address()).unwrap_err();
            door.open().await.unwrap();
            door.open().await.unwrap();
            guest = TcpStream::connect(door.address()).await.unwrap();
        }
    }
}
