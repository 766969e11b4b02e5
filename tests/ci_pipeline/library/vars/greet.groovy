def call(String name) {
    echo "hello ${name}"
}

def helper() {
    'nested call'
}
