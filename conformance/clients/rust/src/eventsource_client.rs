use eventsource_client::{Client, ClientBuilder, Error as SseError, ReconnectOptions, SSE};
use futures_util::StreamExt;
use launchdarkly_sdk_transport::HyperTransport;
use std::{error::Error, time::Duration};

/// It reconnects by itself, after each status too. It reports a refusal; the program has to stop.
pub async fn follow(
    url: &str,
    token: &str,
    hear: impl Fn(&str, &str, &str),
) -> Result<(), Box<dyn Error>> {
    let transport = HyperTransport::builder()
        .connect_timeout(Duration::from_secs(10))
        // A little more than two heartbeats of the gateway. Without this, a dead connection is never noticed.
        .read_timeout(Duration::from_secs(65))
        .build_http()?;
    let client = ClientBuilder::for_url(url)?
        .header("Authorization", &format!("Bearer {token}"))?
        .reconnect(
            ReconnectOptions::reconnect(true)
                .retry_initial(true)
                .delay_max(Duration::from_secs(30))
                .build(),
        )
        .build_with_transport(transport);
    let mut stream = client.stream();
    while let Some(next) = stream.next().await {
        match next {
            Ok(SSE::Event(event)) => hear(
                event.id.as_deref().unwrap_or(""),
                &event.event_type,
                &event.data,
            ),
            // The end of a closed stream.
            Ok(SSE::Connected(details)) if details.response().status() == 204 => return Ok(()),
            Err(SseError::UnexpectedResponse(response, _)) if response.status() < 500 => {
                return Err(format!("refused: {}", response.status()).into());
            }
            // A lost connection: it reconnects by itself.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}
