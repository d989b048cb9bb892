package sluice

import (
	"encoding/base64"
	"testing"
	"time"
)

func TestExpiryThatOverflowsIsNone(t *testing.T) {
	for claims, expires := range map[string]bool{`{"exp":1800000000}`: true, `{"exp":1e300}`: false, `{"exp":9e18}`: false, `{"exp":-1}`: false} {
		credentials := Credentials{Token: "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"}
		if at := credentials.expiresAt(); at.IsZero() == expires || expires && !at.Equal(time.Unix(1_800_000_000, 0)) {
			t.Errorf("%s: %v", claims, at)
		}
	}
}
