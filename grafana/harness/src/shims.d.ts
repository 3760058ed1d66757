declare module 'react-router-dom'; // version 5, as Grafana has it
