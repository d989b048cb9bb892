use futures_util::StreamExt;
use reqwest_eventsource::{Error as SseError, Event, EventSource};
use std::{error::Error, time::Duration};

/// It reconnects by itself, but treats each status except 200 as final.
pub async fn follow(
    url: &str,
    token: &str,
    hear: impl Fn(&str, &str, &str),
) -> Result<(), Box<dyn Error>> {
    let client = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(10))
        // A little more than two heartbeats of the gateway. Without this, a dead connection is never noticed.
        .read_timeout(Duration::from_secs(65))
        .build()?;
    let mut source = EventSource::new(client.get(url).bearer_auth(token))?;
    while let Some(next) = source.next().await {
        match next {
            Ok(Event::Message(message)) => hear(&message.id, &message.event, &message.data),
            Err(SseError::InvalidStatusCode(status, _)) => {
                return Err(format!("refused: {status}").into());
            }
            // A lost connection: it reconnects by itself.
            Ok(Event::Open) | Err(_) => {}
        }
    }
    Ok(())
}
