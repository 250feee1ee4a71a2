"""How the one client of the toolkit asks for a token."""

import base64

ID, SECRET = "toolkit-client", "toolkit-secret-kq3Zr8vT1xW5yN7bM2cJ9dF4gH6sL0pA"
HEADERS = {
    "Authorization": "Basic " + base64.b64encode(f"{ID}:{SECRET}".encode()).decode(),
    "Content-Type": "application/x-www-form-urlencoded",
}
BODY = "grant_type=client_credentials"
